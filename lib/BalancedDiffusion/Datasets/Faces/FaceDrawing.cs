using System.Numerics;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// One face being drawn, layer over layer from the background to the hat. In the head's frame the eyes lie at y = 0,
/// the chin near 0.66 and the crown near -0.6; x grows to the picture's right and y downwards.
/// </summary>
internal readonly unsafe ref struct FaceDrawing
{
    // The skull is an ellipsoid about this height; from there on, so far up and so far out of the picture's plane.
    private const float SkullY = 0.05f;
    private const float SkullHeight = 0.68f;
    private const float SkullDepth = 0.46f;
    private const float SkullDepthSquared = 0.2116f;

    // What turns away is never drawn narrower than this share, so that it stays visible.
    private const float LeastBumpWidth = 0.5f;
    private const float LeastWidth = 0.4f;

    // How far the jaw leans with the turn of the head.
    private const float LeanOfTurn = 0.16f;

    private static readonly Vector3 Black = new(0.03f, 0.03f, 0.035f);

    private readonly FaceFactors f;
    private readonly FaceCanvas canvas;
    private readonly float* slopeX;
    private readonly float* slopeY;

    // The pose.
    private readonly Frame head;
    private readonly Frame body;
    private readonly float pixel;
    private readonly float sinYaw;
    private readonly float cosYaw;
    private readonly float sinPitch;
    private readonly float cosPitch;

    // Age: wrinkles, and what sags.
    private readonly float old;
    private readonly float sag;

    // The head, and the hair around it.
    private readonly float width;
    private readonly float chin;
    private readonly HeadShape shape;
    private readonly HairForm form;
    private readonly Box hairBox;

    // Where the features lie on the turned head, and how large they are.
    private readonly float eyeX;
    private readonly float eyeScale;
    private readonly Feature nose;
    private readonly float noseMiddleX;
    private readonly float noseMiddleY;
    private readonly float noseScale;
    private readonly Feature mouth;
    private readonly float mouthHalf;
    private readonly float smile;
    private readonly float gladness;

    // The light, in the head's frame, and the inks.
    private readonly Vector3 light;
    private readonly float ambient;
    private readonly float strength;
    private readonly Vector3 skinColor;
    private readonly Vector3 shadow;
    private readonly Vector3 hairColor;
    private readonly Ink skin;
    private readonly Ink hair;
    private readonly Ink beard;

    /// <summary>Measures the face; nothing is painted yet.</summary>
    /// <param name="factors">What to draw.</param>
    /// <param name="canvas">Receives the picture.</param>
    /// <param name="slopeX">A plane of zeros, one number a pixel: the slopes of the relief along x.</param>
    /// <param name="slopeY">As much for the slopes along y.</param>
    public FaceDrawing(FaceFactors factors, FaceCanvas canvas, float* slopeX, float* slopeY)
    {
        f = factors;
        this.canvas = canvas;
        this.slopeX = slopeX;
        this.slopeY = slopeY;

        // Pose.
        const float mostRoll = 0.28f, // 16 degrees
            mostYaw = 0.61f, // 35 degrees
            mostPitch = 0.31f, // 18 degrees
            mostShiftX = 0.12f,
            mostShiftY = 0.10f,
            headSize = 1.1f,
            edgeWidth = 1.15f,
            lowered = 0.01f, // all of it, in the picture
            aside = 0.02f, // the head, against its turn
            sway = 0.1f; // the body, against the head's roll
        var roll = mostRoll * f.Tilt;
        head = new Frame(
            mostShiftX * f.ShiftX - aside * f.Yaw,
            mostShiftY * f.ShiftY + lowered,
            Soft.Cos(roll),
            Soft.Sin(roll),
            headSize * f.Scale
        );
        body = new Frame(
            mostShiftX * f.ShiftX - sway * Soft.Sin(roll),
            mostShiftY * f.ShiftY + lowered,
            1,
            0,
            headSize * f.Scale
        );
        pixel = 2f / canvas.Size / head.Scale * edgeWidth;
        float turn = mostYaw * f.Yaw,
            nod = mostPitch * f.Pitch;
        (sinYaw, cosYaw) = (Soft.Sin(turn), Soft.Cos(turn));
        (sinPitch, cosPitch) = (Soft.Sin(nod), Soft.Cos(nod));

        // The head.
        const float narrowFace = 0.43f,
            wideFace = 0.53f,
            sagsFrom = 0.4f,
            chinY = 0.62f,
            pointedTaper = 0.44f,
            squareTaper = 0.2f,
            pointedCorner = 0.2f,
            squareCorner = 0.75f,
            saggingTaper = 0.06f,
            earlyAge = 0.35f, // the share of age that shows from the start; the rest comes late
            lateAge = 0.65f;
        width = Soft.Lerp(narrowFace, wideFace, f.FaceWidth);
        old = f.Age * (earlyAge + lateAge * f.Age);
        sag = Soft.Step(f.Age, sagsFrom, 1f);
        chin = chinY + 0.02f * sinPitch + 0.02f * (1 - f.Jaw);
        shape = new HeadShape(
            width,
            SkullY,
            SkullHeight,
            chin,
            Soft.Lerp(pointedTaper, squareTaper, f.Jaw) - saggingTaper * sag,
            Soft.Lerp(pointedCorner, squareCorner, f.Jaw),
            LeanOfTurn * sinYaw,
            pixel
        );
        form = MeasureHair(f, width, sinYaw, sinPitch);
        const float hairReach = 1.25f,
            flareReach = 0.4f,
            hairTop = 1.2f,
            hairBelow = 0.15f;
        hairBox = new Box(
            form.CenterX - form.HalfWidth * (hairReach + flareReach * form.Flare) - pixel,
            form.CenterY - form.Height * hairTop,
            form.CenterX + form.HalfWidth * (hairReach + flareReach * form.Flare) + pixel,
            form.End + hairBelow
        );

        // Light.
        const float evenLight = 0.7f,
            hardLight = 0.16f,
            lampAcross = 0.95f,
            lampUpAndDown = 0.75f,
            lampRaised = 0.12f,
            lampNearest = 0.35f, // how far in front of the face
            lampFront = 0.75f,
            lostToTheSide = 0.6f;
        strength = f.LightStrength;
        var lamp = Vector3.Normalize(
            new Vector3(
                lampAcross * f.LightX,
                lampUpAndDown * f.LightY - lampRaised,
                lampNearest + lampFront * (1 - lostToTheSide * MathF.Abs(f.LightX))
            )
        );
        light = new Vector3(lamp.X * head.Cos + lamp.Y * head.Sin, lamp.Y * head.Cos - lamp.X * head.Sin, lamp.Z);
        ambient = Soft.Lerp(evenLight, hardLight, strength);

        // Inks.
        const float darkHair = 0.16f, // of the hair's colour
            darkBeard = 0.2f,
            lightBeard = 0.85f;
        skinColor = FaceColors.Skin(f.SkinTone, f.SkinWarmth);
        skin = new Ink(skinColor * new Vector3(0.2f, 0.13f, 0.11f), skinColor);
        shadow = skinColor * new Vector3(0.3f, 0.2f, 0.18f);
        hairColor = FaceColors.DrawnHair(f);
        hair = new Ink(hairColor * darkHair, hairColor);
        beard = new Ink(hairColor * darkBeard, hairColor * lightBeard);

        // Features; only now that the pose and the skull stand, can places on the head be found.
        const float closeEyes = 0.175f,
            farEyes = 0.235f,
            smallEyes = 0.82f,
            largeEyes = 1.22f,
            smallNose = 0.7f,
            largeNose = 1.35f,
            smallMouth = 0.135f,
            wideMouth = 0.195f,
            widerBySmile = 0.22f,
            narrowestMouth = 0.5f,
            noseY = 0.2f,
            bridgeY = 0.02f,
            mouthY = 0.375f;
        eyeX = Soft.Lerp(closeEyes, farEyes, f.EyeSpacing) * (0.85f + 0.3f * (width - 0.33f) / 0.2f * 0.5f);
        eyeScale = Soft.Lerp(smallEyes, largeEyes, f.EyeSize);
        noseScale = Soft.Lerp(smallNose, largeNose, f.NoseSize);
        smile = f.Smile;
        gladness = MathF.Max(0, smile);
        nose = Place(0, noseY, lift: 0.1f);
        var bridge = Place(0, bridgeY, lift: 0.0f);
        noseMiddleX = 0.5f * (nose.X + bridge.X);
        noseMiddleY = 0.5f * (nose.Y + bridge.Y);
        mouth = Place(0, mouthY, lift: 0.03f);
        mouthHalf =
            Soft.Lerp(smallMouth, wideMouth, f.MouthWidth)
            * (1 + widerBySmile * gladness)
            * Math.Clamp(mouth.Narrow, narrowestMouth, 1);
    }

    /// <summary>Paints the picture: what lies behind first.</summary>
    public void Draw()
    {
        Background();
        if (f.HairLength > 0.3f)
            canvas.Paint(head, hairBox, hair, new Hair(form, false, light, ambient, pixel));
        NeckAndShoulders();
        Ears();
        Head();
        Flush();
        NoseShadows();
        Wrinkles();
        SmileFolds();
        for (var side = -1; side <= 1; side += 2)
        {
            Eye(side);
            Brow(side);
        }
        if (f.Beard > 0)
            Beard();
        Mouth();
        if (f.Glasses > 0)
            Glasses();
        if (form.Cover > 0)
            canvas.Paint(head, hairBox, hair, new Hair(form, true, light, ambient, pixel));
        if (f.Hat > 0)
            Hat();
        canvas.Clamp();
    }

    private void Background()
    {
        const float halfTurn = 3.1415927f,
            saturation = 0.26f,
            darkest = 0.02f,
            range = 0.96f,
            contrast = 0.9f, // between the two ends of the steepest gradient
            length = 1.1f;
        var whole = new Frame(0, 0, 1, 0, 1);
        var angle = (f.BackgroundAngle - 0.5f) * halfTurn;
        var tint = FaceColors.Hue(f.BackgroundHue, saturation);
        var steep = MathF.Abs(f.BackgroundGradient);
        float darkTone = f.BackgroundTone * (1 - contrast * steep),
            lightTone = 1 - (1 - f.BackgroundTone) * (1 - contrast * steep);
        canvas.Paint(
            whole,
            new Box(-1, -1, 1, 1),
            new Ink(tint * (darkest + range * darkTone), tint * (darkest + range * lightTone)),
            new Backdrop(-Soft.Sin(angle), Soft.Cos(angle), length * (f.BackgroundGradient < 0 ? -1 : 1))
        );
    }

    private void NeckAndShoulders()
    {
        const float thinNeck = 0.24f,
            thickNeck = 0.34f,
            neckTop = 0.5f,
            neckBottom = 1.1f,
            shoulders = 0.74f,
            slope = 0.38f,
            saturation = 0.5f,
            darkest = 0.04f,
            range = 0.92f,
            darkCloth = 0.2f, // of the cloth's colour
            neckline = 0.13f,
            wideNeckline = 0.08f;
        var neckWidth = Soft.Lerp(thinNeck, thickNeck, 0.5f * (f.Jaw + f.FaceWidth));
        canvas.Paint(
            body,
            new Box(-0.75f, 0.4f, 0.75f, 1.4f),
            skin,
            new Neck(0.03f * sinYaw, neckTop, neckBottom, neckWidth, light, ambient, pixel)
        );
        var clothes = FaceColors.Hue(f.ClothesHue, saturation) * (darkest + range * f.ClothesTone);
        canvas.Paint(
            body,
            new Box(-2, 0.7f, 2, 2),
            new Ink(clothes * darkCloth, clothes),
            new Torso(0, shoulders, slope, neckline + wideNeckline * f.FaceWidth, light, ambient, pixel)
        );
    }

    private void Ears()
    {
        const float hiddenBelow = 0.25f,
            halfWidth = 0.085f,
            widest = 1.15f,
            halfHeight = 0.15f,
            earY = 0.06f,
            raisedByNod = 0.2f,
            shownByTurn = 1.6f;
        var y = earY - raisedByNod * sinPitch;
        for (var side = -1; side <= 1; side += 2)
        {
            // How much of the ear the turned head shows.
            var turned = 1 - shownByTurn * side * sinYaw;
            if (turned < hiddenBelow)
                continue;
            var shade = Math.Clamp(ambient + (0.7f - ambient) * (0.55f + 0.6f * side * light.X), 0f, 1f);
            var ear = new Disc(
                side * width * (0.9f + 0.1f * cosYaw) - 0.06f * sinYaw,
                y,
                halfWidth * MathF.Min(widest, turned),
                halfHeight,
                pixel,
                opacity: 1,
                shade
            );
            canvas.Paint(head, ear.Box, skin, ear);
            var hollow = new Glow(
                side * width * (0.93f + 0.1f * cosYaw) - 0.06f * sinYaw,
                y,
                halfWidth: 0.06f,
                halfHeight: 0.1f,
                opacity: 0.6f,
                shade: 0
            );
            canvas.Paint(head, hollow.Box, Ink.Flat(shadow), hollow);
        }
    }

    /// <summary>The skin of the head over its relief: nose, eye sockets, cheeks, brow ridges, mouth and chin.</summary>
    private void Head()
    {
        Bump(noseMiddleX, noseMiddleY, 0.1f * noseScale, 0.24f, height: 0.07f * noseScale);
        Bump(nose.X, nose.Y, 0.12f * noseScale, 0.11f, height: 0.085f * noseScale);
        for (var side = -1; side <= 1; side += 2)
        {
            var eye = Place(side * eyeX, 0, 0);
            var cheek = Place(side * 0.26f, y: 0.2f - 0.03f * smile, lift: 0.02f);
            var ridge = Place(side * 0.19f, y: -0.15f, lift: 0.01f);
            var socketWidth = 0.17f * MathF.Max(LeastBumpWidth, eye.Narrow);
            var cheekWidth = 0.22f * MathF.Max(LeastBumpWidth, cheek.Narrow);
            Bump(eye.X, eye.Y - 0.01f, socketWidth, 0.14f, height: -0.055f - 0.02f * sag);
            Bump(cheek.X, cheek.Y, cheekWidth, 0.2f, height: 0.035f + 0.03f * gladness - 0.03f * sag);
            Bump(ridge.X, ridge.Y, 0.2f, 0.09f, height: 0.03f);
            if (sag > 0)
            {
                var jowl = Place(side * 0.25f, y: 0.46f, lift: 0);
                Bump(jowl.X, jowl.Y, 0.13f, 0.13f, height: 0.05f * sag);
                Bump(eye.X, eye.Y + 0.11f, 0.12f, 0.06f, height: 0.03f * sag);
            }
        }

        var boneOfChin = Place(0, y: 0.54f, lift: 0);
        Bump(mouth.X, mouth.Y, 0.24f, 0.15f, height: 0.03f);
        Bump(boneOfChin.X, boneOfChin.Y, 0.16f, 0.1f, height: 0.04f);
        canvas.Paint(head, shape.Box, skin, new Skin(shape, slopeX, slopeY, light, ambient));
    }

    /// <summary>Ruddy cheeks; in an old face the shadow below them.</summary>
    private void Flush()
    {
        var ruddy = Ink.Flat(new Vector3(skinColor.X * 0.85f, skinColor.Y * 0.5f, skinColor.Z * 0.45f));
        for (var side = -1; side <= 1; side += 2)
        {
            var cheek = Place(side * 0.27f, y: 0.2f, lift: 0.02f);
            var cheekWidth = 0.17f * MathF.Max(LeastWidth, cheek.Narrow);
            Glow(cheek.X, cheek.Y, cheekWidth, 0.14f, opacity: 0.1f + 0.35f * f.SkinWarmth, ruddy);
            if (sag > 0)
                Glow(cheek.X + side * 0.02f, cheek.Y + 0.12f, 0.13f, 0.2f, opacity: 0.25f * sag, Ink.Flat(shadow));
        }
    }

    /// <summary>The shadows that the nose casts, below it and away from the lamp, and the nostrils.</summary>
    private void NoseShadows()
    {
        const float nostrilX = 0.05f,
            nostrilY = 0.055f;
        var dark = Ink.Flat(shadow);
        var sideLight = MathF.Min(1, 2 * MathF.Abs(light.X));
        Glow(
            nose.X - 0.06f * light.X,
            nose.Y + 0.085f,
            halfWidth: 0.15f * noseScale,
            halfHeight: 0.07f,
            opacity: 0.35f + 0.3f * strength,
            dark
        );
        Glow(
            nose.X - 0.13f * light.X * noseScale,
            noseMiddleY + 0.07f,
            halfWidth: 0.1f,
            halfHeight: 0.2f,
            opacity: 0.55f * strength * sideLight,
            dark
        );
        for (var side = -1; side <= 1; side += 2)
            Glow(
                nose.X + side * nostrilX * noseScale * cosYaw,
                nose.Y + nostrilY,
                halfWidth: 0.045f * noseScale,
                halfHeight: 0.035f,
                opacity: 0.85f,
                Ink.Flat(shadow * 0.5f)
            );
    }

    /// <summary>Three lines on the forehead, crow's feet and bags under the eyes.</summary>
    private void Wrinkles()
    {
        if (!(f.Age > 0))
            return;
        const int foreheadLines = 3;
        const float lowestLine = -0.25f,
            lineDistance = 0.075f;
        var crease = Ink.Flat(shadow);
        for (var line = 0; line < foreheadLines; line++)
        {
            var middle = Place(0, y: lowestLine - lineDistance * line, lift: 0.01f);
            var half = 0.27f - 0.03f * line;
            var bend = 0.02f + 0.03f * sinPitch;
            Curve(middle.X, middle.Y, 1, 0, half, bend, thickness: 0.016f, opacity: 0.65f * old, crease);
        }

        for (var side = -1; side <= 1; side += 2)
        {
            var corner = Place(side * (eyeX + 0.17f), y: 0.02f, lift: 0);
            for (var ray = -1; ray <= 1; ray += 2)
                Curve(
                    corner.X,
                    corner.Y + 0.035f * ray,
                    cos: 0.9f,
                    sin: 0.42f * ray * side,
                    halfLength: 0.06f,
                    bend: 0,
                    thickness: 0.013f,
                    opacity: 0.6f * old,
                    crease
                );
            var bag = Place(side * eyeX, y: 0.105f, lift: 0);
            var bagWidth = 0.11f * MathF.Max(LeastWidth, bag.Narrow);
            Curve(bag.X, bag.Y, 1, 0, bagWidth, bend: -0.03f, thickness: 0.016f, opacity: 0.75f * old, crease);
        }
    }

    /// <summary>The folds from the nose to the corners of the mouth, deeper with a smile and with age.</summary>
    private void SmileFolds()
    {
        const float cos60 = 0.5f,
            sin60 = 0.866f,
            deepest = 0.95f;
        for (var side = -1; side <= 1; side += 2)
        {
            var fold = Place(side * 0.165f, y: 0.28f, lift: 0.02f);
            Curve(
                fold.X,
                fold.Y,
                cos60,
                sin60 * side,
                halfLength: 0.13f,
                bend: 0.02f,
                thickness: 0.016f,
                opacity: Math.Clamp(0.1f + 0.3f * gladness + 0.75f * old, 0f, deepest),
                Ink.Flat(shadow)
            );
        }
    }

    /// <summary>The socket's shadow, the white, iris, pupil and the lamp in it, then the lids' edges.</summary>
    private void Eye(int side)
    {
        const float irisRadius = 0.056f,
            pupilRadius = 0.03f,
            glintRadius = 0.03f,
            halfLength = 0.105f,
            narrowest = 0.35f,
            widest = 1.1f,
            upperLid = 0.062f,
            lowerLid = 0.04f,
            sagOfLid = 0.35f,
            upperSquint = 0.12f, // in a smile
            lowerSquint = 0.3f;
        var eye = Place(side * eyeX, 0, 0);
        var half = halfLength * eyeScale * Math.Clamp(eye.Narrow, narrowest, widest);
        var lidTop = upperLid * eyeScale * (1 - sagOfLid * sag) * (1 - upperSquint * gladness);
        var lidLow = lowerLid * eyeScale * (1 - lowerSquint * gladness);
        var tilt = side * (0.02f + 0.08f * sag);
        Glow(eye.X, eye.Y - 0.02f, half * 1.7f, 0.13f, opacity: 0.4f + 0.15f * strength, Ink.Flat(shadow));

        var opening = new Lens(eye.X, eye.Y, 1, tilt, half, 0, lidTop, lidLow, pixel, 1, 1);
        var lit = Math.Clamp(0.6f + 0.25f * (1 - strength) + 0.12f * light.Z, 0f, 1f);
        var white = Ink.Flat(Vector3.Lerp(FaceColors.EyeWhite, skinColor, 0.22f) * lit);
        canvas.Paint(head, opening.Box, white, opening);

        float gazeX = eye.X + 0.36f * half * f.GazeX + 0.02f * sinYaw,
            gazeY = eye.Y - 0.008f + 0.024f * f.GazeY;
        var iris = new Disc(gazeX, gazeY, irisRadius * eyeScale, irisRadius * eyeScale, pixel, 1, 0);
        canvas.Paint(head, iris.Box, Ink.Flat(FaceColors.Iris(f.EyeTone)), new EyePart(opening, iris));
        var pupil = new Disc(gazeX, gazeY, pupilRadius * eyeScale, pupilRadius * eyeScale, pixel, 1, 0);
        canvas.Paint(head, pupil.Box, Ink.Flat(Black), new EyePart(opening, pupil));
        var glintX = gazeX + 0.022f * (f.LightX < 0 ? -1 : 1);
        Glow(glintX, gazeY - 0.024f, glintRadius, glintRadius, opacity: 0.9f, Ink.Flat(new Vector3(0.97f)));

        var lashes = 0.016f + 0.008f * f.LipColor;
        Curve(eye.X, eye.Y - lidTop, 1, tilt, half * 1.08f, lidTop, lashes, opacity: 0.9f, Ink.Flat(shadow * 0.35f));
        Curve(eye.X, eye.Y + lidLow, 1, tilt, half, -lidLow, thickness: 0.007f, opacity: 0.6f, Ink.Flat(shadow * 0.7f));
        var foldY = eye.Y - lidTop - 0.04f + 0.015f * sag;
        Curve(eye.X, foldY, 1, tilt, half, 0.5f * lidTop, thickness: 0.009f, opacity: 0.5f, Ink.Flat(shadow));
    }

    private void Brow(int side)
    {
        const float thin = 0.014f,
            thick = 0.042f,
            halfLength = 0.145f,
            widest = 1.1f,
            bend = 0.035f;
        var color = Vector3.Lerp(hairColor * 0.45f, skinColor * 0.25f, 0.3f);
        var brow = Place(side * (eyeX + 0.012f), y: -0.155f - 0.02f * gladness + 0.02f * sag, lift: 0.015f);
        var tilt = side * (0.06f + 0.12f * MathF.Min(0, smile) + 0.1f * sag);
        Curve(
            brow.X,
            brow.Y,
            cos: 1,
            sin: tilt,
            halfLength * Math.Clamp(brow.Narrow, LeastWidth, widest),
            bend,
            thickness: Soft.Lerp(thin, thick, f.BrowWeight),
            opacity: 0.92f,
            Ink.Flat(color)
        );
    }

    /// <summary>The beard follows the jaw, a little outside of it, and leaves the mouth free.</summary>
    private void Beard()
    {
        const float pointedTaper = 0.42f,
            squareTaper = 0.2f,
            pointedCorner = 0.3f,
            squareCorner = 0.75f,
            phase = 0.3f;
        var jawline = new HeadShape(
            width * (1 + 0.04f * f.Beard),
            SkullY,
            SkullHeight,
            chin * (1 + 0.14f * f.Beard),
            Soft.Lerp(pointedTaper, squareTaper, f.Jaw),
            Soft.Lerp(pointedCorner, squareCorner, f.Jaw),
            LeanOfTurn * sinYaw,
            pixel
        );
        var density = 0.25f * Soft.Step(f.Beard, 0, 0.1f) + 0.75f * f.Beard;
        var (freeWidth, freeHeight) = (mouthHalf * 1.02f, 0.1f + 0.05f * f.MouthOpen);
        canvas.Paint(
            head,
            jawline.Box with
            {
                Top = 0,
            },
            beard,
            new Beard(jawline, mouth.X, mouth.Y, freeWidth, freeHeight, density, light, ambient, phase)
        );
    }

    /// <summary>The lips and their gleam, the open mouth with its teeth, the line between the lips, the shadow below
    /// and the moustache above.</summary>
    private void Mouth()
    {
        const float bendOfSmile = -0.085f,
            bendAtRest = 0.01f,
            bendOfSag = 0.03f,
            widestGap = 0.075f,
            thinUpper = 0.018f,
            fullerUpper = 0.03f,
            thinLower = 0.026f,
            fullerLower = 0.04f,
            thinnerBySag = 0.25f;
        var bend = bendOfSmile * smile - bendAtRest + bendOfSag * sag;
        var y = mouth.Y + -0.5f * bend;
        var gap = widestGap * f.MouthOpen;
        float lipUp = thinUpper + fullerUpper * f.LipFullness,
            lipLow = thinLower + fullerLower * f.LipFullness;
        lipUp *= 1 - thinnerBySag * sag;
        lipLow *= 1 - thinnerBySag * sag;

        var color = FaceColors.Lips(skinColor, f.LipColor);
        var lips = Ink.Flat(color * Soft.Lerp(0.75f, 0.95f, ambient));
        Lens(mouth.X, y, mouthHalf, bend, lipUp, lipLow + gap, opacity: 0.95f, lips);
        Glow(
            mouth.X + 0.04f * light.X,
            y + gap + 0.55f * lipLow,
            halfWidth: mouthHalf * 0.6f,
            halfHeight: 0.025f,
            opacity: 0.35f,
            Ink.Flat(Vector3.Lerp(color, Vector3.One, 0.4f))
        );
        if (gap > 0)
            OpenMouth(y, bend, gap);
        Curve(
            mouth.X,
            y,
            cos: 1,
            sin: 0,
            halfLength: mouthHalf * 1.06f,
            bend * 1.06f,
            thickness: 0.011f,
            opacity: 0.85f,
            Ink.Flat(shadow * 0.4f)
        );
        Glow(mouth.X, y + gap + lipLow + 0.045f, mouthHalf * 0.75f, 0.04f, opacity: 0.4f, Ink.Flat(shadow));
        if (f.Moustache > 0)
            Moustache(y);
    }

    private void OpenMouth(float y, float bend, float gap)
    {
        const float inside = 0.86f, // of the lips' width
            teeth = 0.78f,
            teethHeight = 0.7f; // of the gap
        Lens(
            mouth.X,
            y,
            mouthHalf * inside,
            bend * inside,
            above: 0,
            below: gap,
            opacity: Soft.Step(f.MouthOpen, 0, 0.15f),
            Ink.Flat(FaceColors.MouthInside)
        );
        Lens(
            mouth.X,
            y,
            mouthHalf * teeth,
            bend * teeth,
            above: 0,
            below: gap * teethHeight,
            opacity: Soft.Step(f.MouthOpen, 0, 0.2f),
            Ink.Flat(FaceColors.Teeth * Soft.Lerp(0.85f, 1f, ambient))
        );
    }

    private void Moustache(float mouthY)
    {
        const float cos15 = 0.966f,
            sin15 = 0.26f;
        var amount = Soft.Step(f.Moustache, 0, 0.3f);
        var thick = 0.02f + 0.045f * f.Moustache;
        var middle = 0.45f * nose.Y + 0.55f * mouthY + 0.02f;
        for (var side = -1; side <= 1; side += 2)
            Curve(
                mouth.X + side * 0.085f * cosYaw,
                middle + 0.01f,
                cos15,
                sin15 * side,
                halfLength: 0.135f,
                bend: 0.02f,
                thick,
                amount,
                new Ink(beard.Dark, Vector3.Lerp(beard.Dark, beard.Light, 0.6f))
            );
    }

    /// <summary>Glasses lie under the hair in front: two panes with a reflection, their rims and temples, and the
    /// bridge.</summary>
    private void Glasses()
    {
        const float paneHeight = 0.125f,
            paneOverRim = 1.04f,
            shortestTemple = 0.02f,
            paneHalfWidth = 0.165f,
            narrowest = 0.45f,
            widest = 1.05f,
            clearGlass = 0.06f,
            darkGlass = 0.9f;
        var shown = Soft.Step(f.Glasses, 0, 0.5f);
        var thick = 0.02f + 0.04f * MathF.Max(0, f.Glasses - 0.3f);
        var frame = Ink.Flat(Black);
        for (var side = -1; side <= 1; side += 2)
        {
            var eye = Place(side * (eyeX + 0.008f), y: 0.02f, lift: 0.04f);
            var paneWidth = paneHalfWidth * Math.Clamp(eye.Narrow, narrowest, widest);
            var pane = new Disc(
                eye.X,
                eye.Y,
                paneWidth * paneOverRim,
                paneHeight * paneOverRim,
                pixel,
                opacity: shown * (clearGlass + darkGlass * f.GlassesTint),
                shade: 0
            );
            canvas.Paint(head, pane.Box, Ink.Flat(Black + new Vector3(0.03f)), pane);
            Curve(
                eye.X - 0.05f,
                eye.Y - 0.04f,
                cos: 0.8f,
                sin: -0.6f,
                halfLength: 0.06f,
                bend: 0,
                thickness: 0.012f,
                opacity: 0.4f * shown,
                Ink.Flat(FaceColors.Reflection)
            );
            var rim = new Rim(eye.X, eye.Y, paneWidth, paneHeight, thick, pixel, shown);
            canvas.Paint(head, rim.Box, frame, rim);
            var ear = side * width * 0.98f - 0.04f * sinYaw;
            var start = eye.X + side * paneWidth;
            if ((ear - start) * side > shortestTemple)
                Curve(
                    0.5f * (start + ear),
                    eye.Y - 0.02f,
                    cos: 1,
                    sin: 0,
                    halfLength: 0.6f * MathF.Abs(ear - start),
                    bend: 0,
                    0.5f * thick,
                    shown,
                    frame
                );
        }

        var bridge = Place(0, y: 0, lift: 0.07f);
        Curve(bridge.X, bridge.Y, 1, 0, halfLength: 0.08f, bend: 0.02f, 0.45f * thick, shown, frame);
    }

    /// <summary>The crown, the shadow of the brim on the forehead, and the brim.</summary>
    private void Hat()
    {
        const float saturation = 0.5f,
            darkest = 0.04f,
            range = 0.9f,
            crownHeight = 0.52f,
            narrowBrim = 1.18f, // of the face's width
            wideBrim = 1.75f,
            highestEdge = -0.42f,
            pulledDown = 0.2f,
            darkCloth = 0.18f; // of the cloth's colour
        var shown = Soft.Step(f.Hat, 0, 0.5f);
        var cloth = FaceColors.Hue(f.ClothesHue + 0.5f, saturation) * (darkest + range * f.HatTone);
        var ink = new Ink(cloth * darkCloth, cloth);
        var x = 0.04f * sinYaw;
        var edge = highestEdge + pulledDown * f.Hat + 0.15f * sinPitch;
        var bend = 0.05f + 0.12f * sinPitch;
        var crown = new Crown(
            x,
            edge,
            bend,
            halfWidth: width * 1.15f + 0.03f,
            crownHeight,
            shown,
            ribs: 0.25f * (1 - f.HatBrim),
            light,
            ambient,
            pixel
        );
        canvas.Paint(head, crown.Box, ink, crown);
        var brimHalf = width * Soft.Lerp(narrowBrim, wideBrim, f.HatBrim);
        Glow(x, edge + 0.09f, brimHalf, halfHeight: 0.12f, opacity: 0.5f * shown, Ink.Flat(shadow * 0.5f));
        var brim = new Lens(
            x + 0.1f * sinYaw * f.HatBrim,
            edge,
            cos: 1,
            sin: 0,
            brimHalf,
            bend,
            above: 0.05f,
            below: 0.05f + 0.05f * f.HatBrim,
            pixel,
            shown,
            shade: 0.3f + 0.35f * (1 - strength)
        );
        canvas.Paint(head, brim.Box, ink, brim);
    }

    /// <summary>Where the point above (x, y) of the frontal face, lifted off the skull, lies after the head's turn and
    /// nod.</summary>
    private Feature Place(float x, float y, float lift)
    {
        const float flattest = 0.08f; // the skull never falls away quite
        float u = x / width,
            v = (y - SkullY) / SkullHeight;
        var depth = SkullDepth * MathF.Sqrt(MathF.Max(flattest, 1 - u * u - v * v));
        float turnedX = x * cosYaw + (depth + lift) * sinYaw,
            turnedZ = (depth + lift) * cosYaw - x * sinYaw;
        var narrow = cosYaw - SkullDepthSquared * x / (width * width * depth) * sinYaw;
        return new Feature(
            turnedX,
            SkullY + (y - SkullY) * cosPitch + turnedZ * sinPitch - 0.3f * sinPitch + 0.12f * sinPitch,
            narrow
        );
    }

    private void Bump(float x, float y, float halfWidth, float halfHeight, float height) =>
        canvas.Bump(head, slopeX, slopeY, x, y, halfWidth, halfHeight, height);

    private void Glow(float x, float y, float halfWidth, float halfHeight, float opacity, Ink ink)
    {
        var glow = new Glow(x, y, halfWidth, halfHeight, Math.Clamp(opacity, 0f, 1f), 0);
        canvas.Paint(head, glow.Box, ink, glow);
    }

    private void Curve(
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
        const float shade = 0.6f;
        var clear = Math.Clamp(opacity, 0f, 1f);
        var curve = new Lens(x, y, cos, sin, halfLength, bend, thickness, thickness, pixel, clear, shade);
        canvas.Paint(head, curve.Box, ink, curve);
    }

    private void Lens(float x, float y, float halfLength, float bend, float above, float below, float opacity, Ink ink)
    {
        var lens = new Lens(x, y, 1, 0, halfLength, bend, above, below, pixel, opacity, 0);
        canvas.Paint(head, lens.Box, ink, lens);
    }

    /// <summary>The hair around the head, and the window in it that leaves the face free.</summary>
    private static HairForm MeasureHair(FaceFactors f, float width, float sinYaw, float sinPitch)
    {
        // Thin hair lies flat; age and baldness move the hairline back.
        var volume = f.HairVolume * (0.5f + 0.5f * f.HairCover);
        var bald = 1 - f.HairCover;
        var recede = 0.10f * f.Age * f.Age + 0.45f * bald * (0.3f + 0.7f * bald);
        // Long hair hangs past the ears and stands apart from the cheeks.
        const float longFrom = 0.35f,
            longAt = 0.6f;
        var lengthy = Soft.Step(f.HairLength, longFrom, longAt);
        // The hairline's height at the middle.
        const float hairline = -0.43f,
            lowestByFringe = 0.33f;
        var line = hairline - recede + lowestByFringe * f.Fringe * f.HairCover + 0.14f * sinPitch;
        // The window that leaves the face free: an arch over the forehead, flat under a fringe.
        const float archRise = 0.42f,
            fringeRise = 0.2f;
        var windowRise = Soft.Lerp(archRise, fringeRise, f.Fringe);
        const float croppedEnd = -0.02f,
            longestEnd = 1.25f,
            leastEnd = 0.06f;
        var end = Soft.Lerp(croppedEnd, longestEnd, f.HairLength * f.HairLength * 0.35f + f.HairLength * 0.65f);
        return new HairForm(
            CenterX: -0.05f * sinYaw,
            CenterY: -0.06f,
            HalfWidth: width * (1.0f + 0.04f * f.HairCover + 0.2f * volume) + 0.05f * f.Curl * volume,
            Height: 0.58f + 0.07f * f.HairCover + 0.2f * volume + 0.05f * f.Curl * volume,
            End: MathF.Max(end, leastEnd),
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

    /// <summary>A place on the turned head, and how narrow what lies there has become.</summary>
    private readonly record struct Feature(float X, float Y, float Narrow);
}
