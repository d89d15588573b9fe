using BalancedDiffusion.Networks.StableDiffusion;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class ConditionalUNetOptionsTests
{
    // As the folder of v1.4 has it.
    private const string Published = """
        { "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.2.2", "act_fn": "silu",
          "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": false,
          "cross_attention_dim": 768,
          "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
          "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0,
          "in_channels": 4, "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05,
          "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
          "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"] }
        """;

    [Fact]
    public void ThePublishedConfigIsTheDefault()
    {
        Assert.Equal(new ConditionalUNetOptions(), ConditionalUNetOptions.FromConfig(Published));
        Assert.NotEqual(
            new ConditionalUNetOptions(),
            ConditionalUNetOptions.FromConfig(Published.Replace("\"sample_size\": 64", "\"sample_size\": 32"))
        );
    }

    [Fact]
    public void OptionsGoThroughTheirConfig()
    {
        foreach (
            var options in new[]
            {
                new ConditionalUNetOptions(),
                NanoUNet,
                NanoUNet with
                {
                    NormEpsilon = 1e-7,
                    InChannels = 9,
                },
            }
        )
        {
            Assert.Equal(options, ConditionalUNetOptions.FromConfig(options.ToConfig()));
            Assert.Equal(
                options,
                ConditionalUNetOptions.FromMetadata(new Dictionary<string, string> { ["config"] = options.ToConfig() })
            );
            Assert.Equal(options.GetHashCode(), ConditionalUNetOptions.FromConfig(options.ToConfig()).GetHashCode());
        }
    }

    [Theory]
    [InlineData(
        "\"attention_head_dim\": 8",
        "\"attention_head_dim\": [5, 10, 20, 20]",
        "that of a Stable Diffusion v2 or XL model"
    )]
    [InlineData(
        "\"cross_attention_dim\": 768",
        "\"cross_attention_dim\": 1024",
        "only v1 is computed here; take a v1 model, such as v1.4"
    )]
    [InlineData("\"cross_attention_dim\": 768,", "", "missing 'cross_attention_dim'")]
    [InlineData("\"in_channels\": 4, \"layers_per_block\": 2,", "", "missing 'in_channels', 'layers_per_block'")]
    [InlineData("\"in_channels\": 4", "\"in_channels\": null", "missing 'in_channels'")]
    [InlineData(
        "\"in_channels\": 4",
        "\"in_channels\": \"four\"",
        "'in_channels' must be a whole number, was \"four\""
    )]
    [InlineData("\"in_channels\": 4", "\"in_channels\": 0", "InChannels must be at least 1, was 0")]
    [InlineData("\"in_channels\": 4", "\"in_channels\": 4, \"in_channels\": 4", "it is not valid JSON")]
    [InlineData("[320, 640, 1280, 1280]", "320", "'block_out_channels' must be a list, was 320")]
    [InlineData(
        "[320, 640, 1280, 1280]",
        "[320, 640.5, 1280, 1280]",
        "'block_out_channels' must be a list of whole numbers"
    )]
    [InlineData("[320, 640, 1280, 1280]", "[320, 640, 1280]", "Attends must say for each of the 3 levels")]
    [InlineData("\"act_fn\": \"silu\"", "\"act_fn\": \"gelu\"", "'act_fn' must be \"silu\" here, was \"gelu\"")]
    [InlineData("\"freq_shift\": 0", "\"freq_shift\": 1", "'freq_shift' must be 0 here, was 1")]
    [InlineData(
        "\"freq_shift\": 0",
        "\"use_linear_projection\": true",
        "'use_linear_projection' must be false here, was true"
    )]
    [InlineData(
        "\"UpBlock2D\", ",
        "",
        "'up_block_types' must mirror 'down_block_types' (UpBlock2D, CrossAttnUpBlock2D, CrossAttnUpBlock2D, "
            + "CrossAttnUpBlock2D)"
    )]
    [InlineData(
        "\"DownBlock2D\"",
        "\"AttnDownBlock2D\"",
        "'down_block_types' must name CrossAttnDownBlock2D and DownBlock2D, named AttnDownBlock2D"
    )]
    public void AConfigOfAnotherNetworkIsRefusedInOneSentence(string from, string to, string words)
    {
        Assert.Contains(from, Published);
        var message = Assert
            .Throws<InvalidDataException>(() => ConditionalUNetOptions.FromConfig(Published.Replace(from, to)))
            .Message;
        Assert.Contains(words, message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void WhatIsNoConfigIsRefused()
    {
        foreach (
            var (json, words) in new[]
            {
                ("", "it is not valid JSON"),
                ("[]", "it is no JSON object"),
                ("3", "it is no JSON object"),
                ("{}", "missing 'in_channels', 'out_channels'"),
            }
        )
            Assert.Contains(
                words,
                Assert.Throws<InvalidDataException>(() => ConditionalUNetOptions.FromConfig(json)).Message
            );
        Assert.Contains(
            "the metadata holds no 'config'",
            Assert
                .Throws<InvalidDataException>(() =>
                    ConditionalUNetOptions.FromMetadata(new Dictionary<string, string>())
                )
                .Message
        );
    }
}
