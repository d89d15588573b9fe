using System.Numerics;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// Renders a face from its factors: background, shoulders, an ellipsoidal head shaded by Lambert's law, hair, features,
/// beard, glasses and hat, each with soft edges one pixel wide. Thread-safe, allocates nothing a face; the same pixels
/// on every call, and on another machine up to rounding. Grey pixels are the ITU-R 601 luma 0.299 R + 0.587 G + 0.114 B
/// of the RGB pixels, up to rounding.
/// </summary>
public sealed unsafe class FaceRenderer
{
    /// <summary>A renderer of pictures of one kind.</summary>
    /// <param name="size">Pixels in height and width: 32 or 64.</param>
    /// <param name="rgb">Three channels in place of one.</param>
    /// <exception cref="ArgumentOutOfRangeException">size is neither 32 nor 64.</exception>
    public FaceRenderer(int size, bool rgb)
    {
        if (size is not (32 or 64))
            throw new ArgumentOutOfRangeException(nameof(size), $"size must be 32 or 64, was {size}");
        Size = size;
        Rgb = rgb;
    }

    /// <summary>Pixels in height and width: 32 or 64.</summary>
    public int Size { get; }

    /// <summary>Whether the pictures have three channels.</summary>
    public bool Rgb { get; }

    /// <summary>d = channels · height · width, the length of one picture.</summary>
    public int Length => (Rgb ? 3 : 1) * Size * Size;

    /// <summary>Renders one face.</summary>
    /// <param name="factors">What to render.</param>
    /// <param name="pixels">Receives the picture, (channels, height, width) row by row, each in [-1, 1]; must hold
    /// exactly <see cref="Length"/> numbers.</param>
    /// <exception cref="ArgumentException">pixels has another length.</exception>
    public void Render(FaceFactors factors, Span<float> pixels)
    {
        ArgumentNullException.ThrowIfNull(factors);
        if (pixels.Length != Length)
            throw new ArgumentException(
                $"pixels must hold {Length} numbers ({(Rgb ? 3 : 1)} × {Size} × {Size}), was {pixels.Length}",
                nameof(pixels)
            );
        var plane = Size * Size;
        pixels.Clear(); // layers mix with what lies below
        var slopes = stackalloc float[2 * plane];
        new Span<float>(slopes, 2 * plane).Clear();
        fixed (float* p = pixels)
            Draw(factors, new FaceCanvas(p, Size, Rgb), slopes, slopes + plane);
    }

    private static void Draw(FaceFactors f, FaceCanvas canvas, float* slopeX, float* slopeY)
    {
        // Pose: the head's frame has the eyes at y = 0, the chin near 0.66 and the crown near -0.6.
        var roll = 0.28f * f.Tilt;
        var head = new Frame(
            0.12f * f.ShiftX - 0.02f * f.Yaw,
            0.10f * f.ShiftY + 0.01f,
            Soft.Cos(roll),
            Soft.Sin(roll),
            1.1f * f.Scale
        );
        var body = new Frame(0.12f * f.ShiftX - 0.1f * Soft.Sin(roll), 0.10f * f.ShiftY + 0.01f, 1, 0, 1.1f * f.Scale);
        var whole = new Frame(0, 0, 1, 0, 1);
        var pixel = 2f / canvas.Size / head.Scale * 1.15f;
        float turn = 0.61f * f.Yaw,
            nod = 0.31f * f.Pitch;
        float sinYaw = Soft.Sin(turn),
            cosYaw = Soft.Cos(turn),
            sinPitch = Soft.Sin(nod),
            cosPitch = Soft.Cos(nod);
        var width = Soft.Lerp(0.43f, 0.53f, f.FaceWidth);
        var old = f.Age * (0.35f + 0.65f * f.Age);
        var sag = Soft.Step(f.Age, 0.4f, 1f);
        var chin = 0.62f + 0.02f * sinPitch + 0.02f * (1 - f.Jaw);
        const float CenterY = 0.05f,
            Top = 0.68f;
        var shape = new HeadShape(
            width,
            CenterY,
            Top,
            chin,
            Soft.Lerp(0.44f, 0.2f, f.Jaw) - 0.06f * sag,
            Soft.Lerp(0.2f, 0.75f, f.Jaw),
            0.16f * sinYaw,
            pixel
        );

        // Light, in the head's frame.
        var strength = f.LightStrength;
        var light = Vector3.Normalize(
            new Vector3(0.95f * f.LightX, 0.75f * f.LightY - 0.12f, 0.35f + 0.75f * (1 - 0.6f * MathF.Abs(f.LightX)))
        );
        light = new Vector3(light.X * head.Cos + light.Y * head.Sin, light.Y * head.Cos - light.X * head.Sin, light.Z);
        var ambient = Soft.Lerp(0.7f, 0.16f, strength);

        // Colours.
        var skinLight = SkinColor(f.SkinTone, f.SkinWarmth);
        var skin = new Ink(skinLight * new Vector3(0.2f, 0.13f, 0.11f), skinLight);
        var white = Soft.Step(f.Age, 0.45f, 0.95f);
        var hairLight = Vector3.Lerp(HairColor(f.HairTone, f.HairRed), new Vector3(0.86f, 0.86f, 0.87f), 0.92f * white);
        var hair = new Ink(hairLight * 0.16f, hairLight);
        var browColor = Vector3.Lerp(hairLight * 0.45f, skinLight * 0.25f, 0.3f);
        var shadow = skinLight * new Vector3(0.3f, 0.2f, 0.18f);
        var black = new Vector3(0.03f, 0.03f, 0.035f);

        // Background.
        var angle = (f.BackgroundAngle - 0.5f) * 3.1415927f;
        var tint = Hue(f.BackgroundHue, 0.26f);
        var steep = MathF.Abs(f.BackgroundGradient);
        float darkTone = f.BackgroundTone * (1 - 0.9f * steep),
            lightTone = 1 - (1 - f.BackgroundTone) * (1 - 0.9f * steep);
        canvas.Paint(
            whole,
            new Box(-1, -1, 1, 1),
            new Ink(tint * (0.02f + 0.96f * darkTone), tint * (0.02f + 0.96f * lightTone)),
            new Backdrop(-Soft.Sin(angle), Soft.Cos(angle), 1.1f * (f.BackgroundGradient < 0 ? -1 : 1))
        );

        // Hair behind the head.
        var form = HairMeasures(f, width, sinYaw, sinPitch);
        var hairBox = new Box(
            form.CenterX - form.HalfWidth * (1.25f + 0.4f * form.Flare) - pixel,
            form.CenterY - form.Height * 1.2f,
            form.CenterX + form.HalfWidth * (1.25f + 0.4f * form.Flare) + pixel,
            form.End + 0.15f
        );
        if (f.HairLength > 0.3f)
            canvas.Paint(head, hairBox, hair, new Hair(form, false, light, ambient, pixel));

        // Neck and shoulders.
        var neckWidth = Soft.Lerp(0.24f, 0.34f, 0.5f * (f.Jaw + f.FaceWidth));
        canvas.Paint(
            body,
            new Box(-0.75f, 0.4f, 0.75f, 1.4f),
            skin,
            new Neck(0.03f * sinYaw, 0.5f, 1.1f, neckWidth, light, ambient, pixel)
        );
        var clothes = Hue(f.ClothesHue, 0.5f) * (0.04f + 0.92f * f.ClothesTone);
        canvas.Paint(
            body,
            new Box(-2, 0.7f, 2, 2),
            new Ink(clothes * 0.2f, clothes),
            new Torso(0, 0.74f, 0.38f, 0.13f + 0.08f * f.FaceWidth, light, ambient, pixel)
        );

        // Ears.
        for (var side = -1; side <= 1; side += 2)
        {
            var turned = 1 - 1.6f * side * sinYaw;
            if (turned < 0.25f)
                continue;
            var shade = Math.Clamp(ambient + (0.7f - ambient) * (0.55f + 0.6f * side * light.X), 0f, 1f);
            var ear = new Disc(
                side * width * (0.9f + 0.1f * cosYaw) - 0.06f * sinYaw,
                0.06f - 0.2f * sinPitch,
                0.085f * MathF.Min(1.15f, turned),
                0.15f,
                pixel,
                1,
                shade
            );
            canvas.Paint(head, ear.Box, skin, ear);
            var hollow = new Glow(
                side * width * (0.93f + 0.1f * cosYaw) - 0.06f * sinYaw,
                0.06f - 0.2f * sinPitch,
                0.06f,
                0.1f,
                0.6f,
                0
            );
            canvas.Paint(head, hollow.Box, Ink.Flat(shadow), hollow);
        }

        // Where the features lie on the turned head.
        var eyeX = Soft.Lerp(0.175f, 0.235f, f.EyeSpacing) * (0.85f + 0.3f * (width - 0.33f) / 0.2f * 0.5f);
        var nose = Place(0, 0.2f, 0.1f);
        var bridge = Place(0, 0.02f, 0.0f);
        var mouth = Place(0, 0.375f, 0.03f);
        var nosePower = Soft.Lerp(0.7f, 1.35f, f.NoseSize);
        var eyeScale = Soft.Lerp(0.82f, 1.22f, f.EyeSize);
        var smile = f.Smile;

        // The relief of the face.
        float noseMidX = 0.5f * (nose.X + bridge.X),
            noseMidY = 0.5f * (nose.Y + bridge.Y);
        canvas.Bump(head, slopeX, slopeY, noseMidX, noseMidY, 0.1f * nosePower, 0.24f, 0.07f * nosePower);
        canvas.Bump(head, slopeX, slopeY, nose.X, nose.Y, 0.12f * nosePower, 0.11f, 0.085f * nosePower);
        for (var side = -1; side <= 1; side += 2)
        {
            var eye = Place(side * eyeX, 0, 0);
            var cheek = Place(side * 0.26f, 0.2f - 0.03f * smile, 0.02f);
            var ridge = Place(side * 0.19f, -0.15f, 0.01f);
            canvas.Bump(
                head,
                slopeX,
                slopeY,
                eye.X,
                eye.Y - 0.01f,
                0.17f * MathF.Max(0.5f, eye.Narrow),
                0.14f,
                -0.055f - 0.02f * sag
            );
            canvas.Bump(
                head,
                slopeX,
                slopeY,
                cheek.X,
                cheek.Y,
                0.22f * MathF.Max(0.5f, cheek.Narrow),
                0.2f,
                0.035f + 0.03f * MathF.Max(0, smile) - 0.03f * sag
            );
            canvas.Bump(head, slopeX, slopeY, ridge.X, ridge.Y, 0.2f, 0.09f, 0.03f);
            if (sag > 0)
            {
                var jowl = Place(side * 0.25f, 0.46f, 0);
                canvas.Bump(head, slopeX, slopeY, jowl.X, jowl.Y, 0.13f, 0.13f, 0.05f * sag);
                canvas.Bump(head, slopeX, slopeY, eye.X, eye.Y + 0.11f, 0.12f, 0.06f, 0.03f * sag);
            }
        }

        var chinAt = Place(0, 0.54f, 0);
        canvas.Bump(head, slopeX, slopeY, mouth.X, mouth.Y, 0.24f, 0.15f, 0.03f);
        canvas.Bump(head, slopeX, slopeY, chinAt.X, chinAt.Y, 0.16f, 0.1f, 0.04f);
        canvas.Paint(head, shape.Box, skin, new Skin(shape, slopeX, slopeY, light, ambient));

        // Ruddy cheeks, and the lamp's shadow of the nose.
        var flush = Ink.Flat(new Vector3(skinLight.X * 0.85f, skinLight.Y * 0.5f, skinLight.Z * 0.45f));
        for (var side = -1; side <= 1; side += 2)
        {
            var cheek = Place(side * 0.27f, 0.2f, 0.02f);
            Glow(cheek.X, cheek.Y, 0.17f * MathF.Max(0.4f, cheek.Narrow), 0.14f, 0.1f + 0.35f * f.SkinWarmth, flush);
            if (sag > 0)
                Glow(cheek.X + side * 0.02f, cheek.Y + 0.12f, 0.13f, 0.2f, 0.25f * sag, Ink.Flat(shadow));
        }

        Glow(
            nose.X - 0.06f * light.X,
            nose.Y + 0.085f,
            0.15f * nosePower,
            0.07f,
            0.35f + 0.3f * strength,
            Ink.Flat(shadow)
        );
        Glow(
            nose.X - 0.13f * light.X * nosePower,
            noseMidY + 0.07f,
            0.1f,
            0.2f,
            0.55f * strength * MathF.Min(1, 2 * MathF.Abs(light.X)),
            Ink.Flat(shadow)
        );
        for (var side = -1; side <= 1; side += 2)
            Glow(
                nose.X + side * 0.05f * nosePower * cosYaw,
                nose.Y + 0.055f,
                0.045f * nosePower,
                0.035f,
                0.85f,
                Ink.Flat(shadow * 0.5f)
            );

        // Wrinkles.
        if (f.Age > 0)
        {
            var crease = Ink.Flat(shadow);
            for (var line = 0; line < 3; line++)
            {
                var spot = Place(0, -0.25f - 0.075f * line, 0.01f);
                Curve(
                    spot.X,
                    spot.Y,
                    1,
                    0,
                    0.27f - 0.03f * line,
                    0.02f + 0.03f * sinPitch,
                    0.016f,
                    0.65f * old,
                    crease
                );
            }

            for (var side = -1; side <= 1; side += 2)
            {
                var corner = Place(side * (eyeX + 0.17f), 0.02f, 0);
                for (var ray = -1; ray <= 1; ray += 2)
                    Curve(
                        corner.X,
                        corner.Y + 0.035f * ray,
                        0.9f,
                        0.42f * ray * side,
                        0.06f,
                        0,
                        0.013f,
                        0.6f * old,
                        crease
                    );
                var bag = Place(side * eyeX, 0.105f, 0);
                Curve(bag.X, bag.Y, 1, 0, 0.11f * MathF.Max(0.4f, bag.Narrow), -0.03f, 0.016f, 0.75f * old, crease);
            }
        }

        for (var side = -1; side <= 1; side += 2)
        {
            var fold = Place(side * 0.165f, 0.28f, 0.02f);
            Curve(
                fold.X,
                fold.Y,
                0.5f,
                0.866f * side,
                0.13f,
                0.02f,
                0.016f,
                Math.Clamp(0.1f + 0.3f * MathF.Max(0, smile) + 0.75f * old, 0f, 0.95f),
                Ink.Flat(shadow)
            );
        }

        // Eyes and brows.
        var iris = EyeColor(f.EyeTone);
        for (var side = -1; side <= 1; side += 2)
        {
            var eye = Place(side * eyeX, 0, 0);
            var half = 0.105f * eyeScale * Math.Clamp(eye.Narrow, 0.35f, 1.1f);
            var lidTop = 0.062f * eyeScale * (1 - 0.35f * sag) * (1 - 0.12f * MathF.Max(0, smile));
            var lidLow = 0.04f * eyeScale * (1 - 0.3f * MathF.Max(0, smile));
            var tiltEye = side * (0.02f + 0.08f * sag);
            Glow(eye.X, eye.Y - 0.02f, half * 1.7f, 0.13f, 0.4f + 0.15f * strength, Ink.Flat(shadow));
            var opening = new Lens(eye.X, eye.Y, 1, tiltEye, half, 0, lidTop, lidLow, pixel, 1, 1);
            var lit = Math.Clamp(0.6f + 0.25f * (1 - strength) + 0.12f * light.Z, 0f, 1f);
            canvas.Paint(
                head,
                opening.Box,
                Ink.Flat(Vector3.Lerp(new Vector3(0.93f, 0.92f, 0.9f), skinLight, 0.22f) * lit),
                opening
            );
            float gazeX = eye.X + 0.36f * half * f.GazeX + 0.02f * sinYaw,
                gazeY = eye.Y - 0.008f + 0.024f * f.GazeY;
            var iris1 = new Disc(gazeX, gazeY, 0.056f * eyeScale, 0.056f * eyeScale, pixel, 1, 0);
            canvas.Paint(head, iris1.Box, Ink.Flat(iris), new EyePart(opening, iris1));
            var pupil = new Disc(gazeX, gazeY, 0.03f * eyeScale, 0.03f * eyeScale, pixel, 1, 0);
            canvas.Paint(head, pupil.Box, Ink.Flat(black), new EyePart(opening, pupil));
            Glow(
                gazeX + 0.022f * (f.LightX < 0 ? -1 : 1),
                gazeY - 0.024f,
                0.03f,
                0.03f,
                0.9f,
                Ink.Flat(new Vector3(0.97f))
            );
            Curve(
                eye.X,
                eye.Y - lidTop,
                1,
                tiltEye,
                half * 1.08f,
                lidTop,
                0.016f + 0.008f * f.LipColor,
                0.9f,
                Ink.Flat(shadow * 0.35f)
            );
            Curve(eye.X, eye.Y + lidLow, 1, tiltEye, half, -lidLow, 0.007f, 0.6f, Ink.Flat(shadow * 0.7f));
            Curve(
                eye.X,
                eye.Y - lidTop - 0.04f + 0.015f * sag,
                1,
                tiltEye,
                half,
                0.5f * lidTop,
                0.009f,
                0.5f,
                Ink.Flat(shadow)
            );
            var brow = Place(side * (eyeX + 0.012f), -0.155f - 0.02f * MathF.Max(0, smile) + 0.02f * sag, 0.015f);
            var browTilt = side * (0.06f + 0.12f * MathF.Min(0, smile) + 0.1f * sag);
            Curve(
                brow.X,
                brow.Y,
                1,
                browTilt,
                0.145f * Math.Clamp(brow.Narrow, 0.4f, 1.1f),
                0.035f,
                Soft.Lerp(0.014f, 0.042f, f.BrowWeight),
                0.92f,
                Ink.Flat(browColor)
            );
        }

        // Beard, below the lips.
        var mouthHalf =
            Soft.Lerp(0.135f, 0.195f, f.MouthWidth)
            * (1 + 0.22f * MathF.Max(0, smile))
            * Math.Clamp(mouth.Narrow, 0.5f, 1);
        var beardInk = new Ink(hairLight * 0.2f, hairLight * 0.85f);
        if (f.Beard > 0)
        {
            var jawline = new HeadShape(
                width * (1 + 0.04f * f.Beard),
                CenterY,
                Top,
                chin * (1 + 0.14f * f.Beard),
                Soft.Lerp(0.42f, 0.2f, f.Jaw),
                Soft.Lerp(0.3f, 0.75f, f.Jaw),
                0.16f * sinYaw,
                pixel
            );
            canvas.Paint(
                head,
                jawline.Box with
                {
                    Top = 0,
                },
                beardInk,
                new Beard(
                    jawline,
                    mouth.X,
                    mouth.Y,
                    mouthHalf * 1.02f,
                    0.1f + 0.05f * f.MouthOpen,
                    0.25f * Soft.Step(f.Beard, 0, 0.1f) + 0.75f * f.Beard,
                    light,
                    ambient,
                    0.3f
                )
            );
        }

        // Mouth: interior and teeth, then the lips around it.
        var curve = -0.085f * smile - 0.01f + 0.03f * sag;
        var lift = -0.5f * curve;
        var gap = 0.075f * f.MouthOpen;
        var lipColor = Vector3.Lerp(
            new Vector3(skinLight.X * 0.72f, skinLight.Y * 0.45f, skinLight.Z * 0.42f),
            new Vector3(0.5f, 0.05f, 0.1f),
            0.85f * f.LipColor
        );
        float lipUp = 0.018f + 0.03f * f.LipFullness,
            lipLow = 0.026f + 0.04f * f.LipFullness;
        var mouthY = mouth.Y + lift;
        lipUp *= 1 - 0.25f * sag;
        lipLow *= 1 - 0.25f * sag;
        Lens(
            mouth.X,
            mouthY,
            mouthHalf,
            curve,
            lipUp,
            lipLow + gap,
            0.95f,
            Ink.Flat(lipColor * Soft.Lerp(0.75f, 0.95f, ambient))
        );
        Glow(
            mouth.X + 0.04f * light.X,
            mouthY + gap + 0.55f * lipLow,
            mouthHalf * 0.6f,
            0.025f,
            0.35f,
            Ink.Flat(Vector3.Lerp(lipColor, Vector3.One, 0.4f))
        );
        if (gap > 0)
        {
            Lens(
                mouth.X,
                mouthY,
                mouthHalf * 0.86f,
                curve * 0.86f,
                0,
                gap,
                Soft.Step(f.MouthOpen, 0, 0.15f),
                Ink.Flat(new Vector3(0.2f, 0.05f, 0.05f))
            );
            Lens(
                mouth.X,
                mouthY,
                mouthHalf * 0.78f,
                curve * 0.78f,
                0,
                gap * 0.7f,
                Soft.Step(f.MouthOpen, 0, 0.2f),
                Ink.Flat(new Vector3(0.93f, 0.91f, 0.88f) * Soft.Lerp(0.85f, 1f, ambient))
            );
        }

        Curve(mouth.X, mouthY, 1, 0, mouthHalf * 1.06f, curve * 1.06f, 0.011f, 0.85f, Ink.Flat(shadow * 0.4f));
        Glow(mouth.X, mouthY + gap + lipLow + 0.045f, mouthHalf * 0.75f, 0.04f, 0.4f, Ink.Flat(shadow));
        if (f.Moustache > 0)
        {
            var amount = Soft.Step(f.Moustache, 0, 0.3f);
            var thick = 0.02f + 0.045f * f.Moustache;
            var middle = 0.45f * nose.Y + 0.55f * mouthY + 0.02f;
            for (var side = -1; side <= 1; side += 2)
                Curve(
                    mouth.X + side * 0.085f * cosYaw,
                    middle + 0.01f,
                    0.966f,
                    0.26f * side,
                    0.135f,
                    0.02f,
                    thick,
                    amount,
                    new Ink(beardInk.Dark, Vector3.Lerp(beardInk.Dark, beardInk.Light, 0.6f))
                );
        }

        // Glasses lie under the hair in front.
        if (f.Glasses > 0)
        {
            var shown = Soft.Step(f.Glasses, 0, 0.5f);
            var thick = 0.02f + 0.04f * MathF.Max(0, f.Glasses - 0.3f);
            for (var side = -1; side <= 1; side += 2)
            {
                var eye = Place(side * (eyeX + 0.008f), 0.02f, 0.04f);
                float glassWidth = 0.165f * Math.Clamp(eye.Narrow, 0.45f, 1.05f),
                    glassHeight = 0.125f;
                var glass = new Disc(
                    eye.X,
                    eye.Y,
                    glassWidth * 1.04f,
                    glassHeight * 1.04f,
                    pixel,
                    shown * (0.06f + 0.9f * f.GlassesTint),
                    0
                );
                canvas.Paint(head, glass.Box, Ink.Flat(black + new Vector3(0.03f)), glass);
                Curve(
                    eye.X - 0.05f,
                    eye.Y - 0.04f,
                    0.8f,
                    -0.6f,
                    0.06f,
                    0,
                    0.012f,
                    0.4f * shown,
                    Ink.Flat(new Vector3(0.9f, 0.93f, 0.97f))
                );
                var rim = new Rim(eye.X, eye.Y, glassWidth, glassHeight, thick, pixel, shown);
                canvas.Paint(head, rim.Box, Ink.Flat(black), rim);
                var temple = side * width * 0.98f - 0.04f * sinYaw;
                var start = eye.X + side * glassWidth;
                if ((temple - start) * side > 0.02f)
                    Curve(
                        0.5f * (start + temple),
                        eye.Y - 0.02f,
                        1,
                        0,
                        0.6f * MathF.Abs(temple - start),
                        0,
                        0.5f * thick,
                        shown,
                        Ink.Flat(black)
                    );
            }

            var across = Place(0, 0, 0.07f);
            Curve(across.X, across.Y, 1, 0, 0.08f, 0.02f, 0.45f * thick, shown, Ink.Flat(black));
        }

        // Hair in front, then the hat.
        if (form.Cover > 0)
            canvas.Paint(head, hairBox, hair, new Hair(form, true, light, ambient, pixel));
        if (f.Hat > 0)
        {
            var shown = Soft.Step(f.Hat, 0, 0.5f);
            var cloth = Hue(f.ClothesHue + 0.5f, 0.5f) * (0.04f + 0.9f * f.HatTone);
            var ink = new Ink(cloth * 0.18f, cloth);
            var edge = -0.42f + 0.2f * f.Hat + 0.15f * sinPitch;
            var crown = new Crown(
                0.04f * sinYaw,
                edge,
                0.05f + 0.12f * sinPitch,
                width * 1.15f + 0.03f,
                0.52f,
                shown,
                0.25f * (1 - f.HatBrim),
                light,
                ambient,
                pixel
            );
            canvas.Paint(head, crown.Box, ink, crown);
            var brimHalf = width * Soft.Lerp(1.18f, 1.75f, f.HatBrim);
            Glow(0.04f * sinYaw, edge + 0.09f, brimHalf, 0.12f, 0.5f * shown, Ink.Flat(shadow * 0.5f));
            var brim = new Lens(
                0.04f * sinYaw + 0.1f * sinYaw * f.HatBrim,
                edge,
                1,
                0,
                brimHalf,
                0.05f + 0.12f * sinPitch,
                0.05f,
                0.05f + 0.05f * f.HatBrim,
                pixel,
                shown,
                0.3f + 0.35f * (1 - strength)
            );
            canvas.Paint(head, brim.Box, ink, brim);
        }

        canvas.Clamp();
        return;

        Feature Place(float x, float y, float lift)
        {
            // The point above (x, y) of the frontal face, lifted off the skull, after the head's turn and nod.
            float u = x / width,
                v = (y - CenterY) / Top;
            var depth = 0.46f * MathF.Sqrt(MathF.Max(0.08f, 1 - u * u - v * v));
            float px = x * cosYaw + (depth + lift) * sinYaw,
                z = (depth + lift) * cosYaw - x * sinYaw;
            var narrow = cosYaw - 0.2116f * x / (width * width * depth) * sinYaw;
            return new Feature(
                px,
                CenterY + (y - CenterY) * cosPitch + z * sinPitch - 0.3f * sinPitch + 0.12f * sinPitch,
                narrow
            );
        }

        void Glow(float x, float y, float halfWidth, float halfHeight, float opacity, Ink ink)
        {
            var glow = new Glow(x, y, halfWidth, halfHeight, Math.Clamp(opacity, 0f, 1f), 0);
            canvas.Paint(head, glow.Box, ink, glow);
        }

        void Curve(
            float x,
            float y,
            float cos,
            float sin,
            float halfLength,
            float bend,
            float thickness,
            float opacity,
            Ink ink
        )
        {
            var curve = new Lens(
                x,
                y,
                cos,
                sin,
                halfLength,
                bend,
                thickness,
                thickness,
                pixel,
                Math.Clamp(opacity, 0f, 1f),
                0.6f
            );
            canvas.Paint(head, curve.Box, ink, curve);
        }

        void Lens(float x, float y, float halfLength, float bend, float above, float below, float opacity, Ink ink)
        {
            var lens = new Lens(x, y, 1, 0, halfLength, bend, above, below, pixel, opacity, 0);
            canvas.Paint(head, lens.Box, ink, lens);
        }
    }

    private static HairForm HairMeasures(FaceFactors f, float width, float sinYaw, float sinPitch)
    {
        var volume = f.HairVolume * (0.5f + 0.5f * f.HairCover);
        var bald = 1 - f.HairCover;
        var recede = 0.10f * f.Age * f.Age + 0.45f * bald * (0.3f + 0.7f * bald);
        var lengthy = Soft.Step(f.HairLength, 0.35f, 0.6f);
        // the hairline's height at the middle
        var line = -0.43f - recede + 0.33f * f.Fringe * f.HairCover + 0.14f * sinPitch;
        var windowRise = Soft.Lerp(0.42f, 0.2f, f.Fringe);
        var end = Soft.Lerp(-0.02f, 1.25f, f.HairLength * f.HairLength * 0.35f + f.HairLength * 0.65f);
        return new HairForm(
            CenterX: -0.05f * sinYaw,
            CenterY: -0.06f,
            HalfWidth: width * (1.0f + 0.04f * f.HairCover + 0.2f * volume) + 0.05f * f.Curl * volume,
            Height: 0.58f + 0.07f * f.HairCover + 0.2f * volume + 0.05f * f.Curl * volume,
            End: MathF.Max(end, 0.06f),
            Flare: lengthy * Soft.Lerp(0.1f, 0.35f, volume),
            Taper: 1 - lengthy,
            Curl: f.Curl,
            Frequency: Soft.Lerp(1.7f, 2.9f, f.Curl),
            Phase: 0.25f + 0.5f * f.Part,
            WindowX: 0.2f * sinYaw,
            WindowY: line + windowRise,
            WindowHalfWidth: width * (0.93f + 0.07f * bald - 0.1f * lengthy),
            WindowRise: windowRise,
            WindowSquare: Soft.Lerp(0.05f, 0.6f, f.Fringe),
            PartSlope: 0.45f * f.Part * (1 - 0.6f * f.Fringe),
            Ragged: 0.06f + 0.12f * f.Fringe + 0.1f * f.Curl,
            Cover: Soft.Step(f.HairCover, 0f, 0.3f)
        );
    }

    private static Vector3 SkinColor(float tone, float warmth)
    {
        Vector3 dark = new(0.44f, 0.28f, 0.2f),
            middle = new(0.86f, 0.64f, 0.5f),
            pale = new(1f, 0.91f, 0.83f);
        var color = tone < 0.5f ? Vector3.Lerp(dark, middle, 2 * tone) : Vector3.Lerp(middle, pale, 2 * tone - 1);
        return color * Vector3.Lerp(new Vector3(0.95f, 1f, 1f), new Vector3(1f, 0.93f, 0.87f), warmth);
    }

    private static Vector3 HairColor(float tone, float red)
    {
        Vector3 black = new(0.14f, 0.12f, 0.12f),
            brown = new(0.48f, 0.33f, 0.22f),
            blond = new(0.98f, 0.86f, 0.6f);
        var color = tone < 0.5f ? Vector3.Lerp(black, brown, 2 * tone) : Vector3.Lerp(brown, blond, 2 * tone - 1);
        return color * Vector3.Lerp(new Vector3(0.95f, 1f, 1f), new Vector3(1f, 0.68f, 0.5f), red);
    }

    private static Vector3 EyeColor(float tone)
    {
        Vector3 brown = new(0.16f, 0.09f, 0.05f),
            green = new(0.3f, 0.36f, 0.24f),
            blue = new(0.45f, 0.6f, 0.74f);
        return tone < 0.5f ? Vector3.Lerp(brown, green, 2 * tone) : Vector3.Lerp(green, blue, 2 * tone - 1);
    }

    /// <summary>A colour of this hue, lightest channel 1; saturation 0 is white.</summary>
    private static Vector3 Hue(float hue, float saturation)
    {
        var h = 6 * (hue - MathF.Floor(hue));
        var pure = new Vector3(
            Math.Clamp(MathF.Abs(h - 3) - 1, 0f, 1f),
            Math.Clamp(2 - MathF.Abs(h - 2), 0f, 1f),
            Math.Clamp(2 - MathF.Abs(h - 4), 0f, 1f)
        );
        return Vector3.Lerp(Vector3.One, pure, saturation);
    }

    private readonly record struct Feature(float X, float Y, float Narrow);
}
