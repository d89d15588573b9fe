using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class LatentScheduleTests
{
    private const string Published = """
        { "_class_name": "PNDMScheduler", "_diffusers_version": "0.7.0.dev0",
          "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
          "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null,
          "clip_sample": false }
        """;

    [Fact]
    public void LevelsTimestepsAndNoisyLatentsAreThoseOfTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var io = Safetensors.Read(File("sd-ddim-io.safetensors"));
        var schedule = new LatentSchedule();
        var alphas = io["alphas_cumprod"].data<float>().ToArray();
        Assert.Equal(1000, alphas.Length);
        // The reference multiplies a thousand factors in float32.
        for (var t = 0; t < 1000; t++)
            Assert.Equal(1, schedule.AlphaBar(t) / alphas[t], Tolerance);
        foreach (var steps in new[] { 5, 50 })
            Assert.Equal(
                io[$"timesteps_{steps}"].data<long>().ToArray(),
                schedule.Timesteps(steps).Select(t => (long)t)
            );
        var noisy = schedule.AddNoise(
            io["add_noise.x0"],
            io["add_noise.noise"],
            [.. io["add_noise.timesteps"].data<long>().ToArray().Select(t => (int)t)]
        );
        Assert.True(Difference(noisy, io["add_noise.output"]) < 1e-6);
    }

    [Fact]
    public void LevelsAreThoseOfTheTimestepsAndEndAsTheConfigSays()
    {
        var schedule = new LatentSchedule();
        Assert.Equal([801, 601, 401, 201, 1, 0], schedule.Levels(5).Select(s => Math.Round(schedule.Noise.Time(s), 6)));
        var atZero = schedule with { EndsAtZero = true };
        Assert.Equal(0, atZero.Levels(5)[^1]);
        Assert.Equal(schedule.Levels(5).SkipLast(1), atZero.Levels(5).SkipLast(1));
        // With no offset the last timestep is 0 already: its step to itself is none.
        Assert.Equal(
            [750, 500, 250, 0],
            (schedule with { StepsOffset = 0 }).Levels(4).Select(s => Math.Round(schedule.Noise.Time(s), 6))
        );
        Assert.Equal(999, schedule.Timesteps(999)[0]);
    }

    [Fact]
    public void ConfigsAreReadAndOthersRefused()
    {
        Assert.Equal(new LatentSchedule(), LatentSchedule.FromConfig(Published));
        Assert.True(LatentSchedule.FromConfig(Published.Replace("\"set_alpha_to_one\": false,", "")).EndsAtZero);
        void Refused(string from, string to, string words)
        {
            Assert.Contains(from, Published);
            var message = Assert
                .Throws<InvalidDataException>(() => LatentSchedule.FromConfig(Published.Replace(from, to)))
                .Message;
            Assert.Contains(words, message);
            Assert.DoesNotContain('\n', message);
        }
        Refused(
            "\"clip_sample\": false",
            "\"prediction_type\": \"v_prediction\"",
            "the config asks for a network that predicts 'v_prediction', as Stable Diffusion v2 does, and only v1"
        );
        Refused("\"scaled_linear\"", "\"linear\"", "'beta_schedule' must be \"scaled_linear\" here, was \"linear\"");
        Refused("\"trained_betas\": null", "\"trained_betas\": [0.1]", "'trained_betas' must be null here, was a list");
        Refused("\"beta_end\": 0.012, ", "", "missing 'beta_end'");
        Refused("\"beta_end\": 0.012", "\"beta_end\": 2", "betaEnd must be between betaStart = 0.00085 and 1, was 2");
        Refused("\"num_train_timesteps\": 1000", "\"num_train_timesteps\": 10000000000", "a whole number is too large");
        Refused("\"clip_sample\": false", "\"clip_sample\": true", "'clip_sample' must be false here, was true");
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        var schedule = new LatentSchedule();
        void Refused(string words, Func<object> attempt) =>
            Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(attempt).Message);
        Refused("steps must be at least 1, was 0", () => schedule.Timesteps(0));
        Refused(
            "steps must leave the greatest timestep below 1000 with an offset of 1, was 1000",
            () => schedule.Timesteps(1000)
        );
        Refused(
            "steps must leave the greatest timestep below 1000 with an offset of 1, was 1001",
            () => schedule.Timesteps(1001)
        );
        Refused("t must be from 0 to 999 in this schedule, was 1000", () => schedule.AlphaBar(1000));
        Refused(
            "timesteps must be as many as the rows of clean, were 1",
            () => schedule.AddNoise(torch.zeros(2, 3), torch.zeros(2, 3), 5)
        );
        Refused(
            "noise must have shape (2, 3), was (2, 4)",
            () => schedule.AddNoise(torch.zeros(2, 3), torch.zeros(2, 4), 5, 6)
        );
        Refused("StepsOffset must be at least 0, was -1", () => schedule with { StepsOffset = -1 });
    }
}
