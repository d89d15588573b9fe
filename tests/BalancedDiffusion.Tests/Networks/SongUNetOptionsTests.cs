using BalancedDiffusion.Networks;

namespace BalancedDiffusion.Tests.Networks;

public class SongUNetOptionsTests
{
    private static SongUNetOptions Of(string json) =>
        SongUNetOptions.FromMetadata(new Dictionary<string, string> { ["config"] = json });

    [Fact]
    public void OptionsComeBackFromTheirMetadataAsTheyWere()
    {
        var every = new SongUNetOptions
        {
            Resolution = 64,
            Channels = 1,
            ModelChannels = 36,
            ChannelMultipliers = [1, 3],
            Blocks = 2,
            AttentionResolutions = [32, 64],
            Dropout = 0.25,
            LabelDim = 7,
            LabelDropout = 0.1,
            AugmentDim = 5,
            Embedding = SongUNetEmbedding.Fourier,
            NoiseMultiplier = 3,
            EmbeddingMultiplier = 2,
            Encoder = SongUNetEncoder.Residual,
            Decoder = SongUNetDecoder.Skip,
            ResampleFilter = [1, 2.5, 2.5, 1],
        };
        foreach (
            var options in new[]
            {
                every,
                every with
                {
                    Encoder = SongUNetEncoder.Skip,
                },
                SongUNetOptions.Tiny,
                SongUNetOptions.Small,
                SongUNetOptions.DdpmPlusPlus,
                SongUNetOptions.NcsnPlusPlus,
            }
        )
            Assert.Equal(options, SongUNetOptions.FromMetadata(options.ToMetadata()));
    }

    [Fact]
    public void OptionsAreEqualWhereAllTheirValuesAre()
    {
        var options = new SongUNetOptions { ChannelMultipliers = [1, 2] };
        Assert.Equal(options, new SongUNetOptions { ChannelMultipliers = [1, 2] });
        Assert.Equal(options.GetHashCode(), new SongUNetOptions { ChannelMultipliers = [1, 2] }.GetHashCode());
        Assert.NotEqual(options, options with { ChannelMultipliers = [2, 1] });
        Assert.NotEqual(options, options with { Dropout = 0.1 });
    }

    [Fact]
    public void AListThatIsChangedAfterwardsDoesNotChangeTheOptions()
    {
        var list = new List<int> { 1, 2 };
        var options = new SongUNetOptions { ChannelMultipliers = list };
        list.Add(7);
        Assert.Equal([1, 2], options.ChannelMultipliers);
    }

    [Fact]
    public void WhatAConfigDoesNotNameHasThePublishedDefault()
    {
        var options = Of(
            """
            {
              "class_name": "training.networks.EDMPrecond",
              "img_resolution": 32, "img_channels": 3, "use_fp16": true, "sigma_data": 0.5
            }
            """
        );
        Assert.Equal(new SongUNetOptions { ChannelMultipliers = [1, 2, 2, 2], Dropout = 0.1 }, options);
    }

    [Theory]
    [InlineData("{", "it is not valid JSON")]
    [InlineData("[1]", "has a value of the wrong kind")]
    [InlineData("""{"attention": 3}""", "'attention' is not known")]
    [InlineData("""{"model_type": "DhariwalUNet"}""", "'model_type' must be 'SongUNet', was DhariwalUNet")]
    [InlineData("""{"encoder_type": "dense"}""", "'encoder_type' must be standard or residual or skip, was dense")]
    [InlineData("""{"decoder_type": 1}""", "'decoder_type' must be standard or skip, was 1")]
    [InlineData("""{"num_blocks": "four"}""", "'num_blocks' has a value of the wrong kind")]
    [InlineData("""{"num_blocks": 1.5}""", "'num_blocks' has a value of the wrong kind")]
    [InlineData("""{"num_blocks": 0}""", "'num_blocks' is refused (Blocks must be at least 1, was 0)")]
    [InlineData("""{"channel_mult": null}""", "'channel_mult' has a value of the wrong kind")]
    [InlineData(
        """{"img_resolution": 20, "attn_resolutions": []}""",
        "is refused (Resolution must be divisible by 2 once for each of the 3 levels below the first, was 20)"
    )]
    public void AConfigThatDescribesNoSongUNetIsRefused(string json, string words)
    {
        var message = Assert.Throws<InvalidDataException>(() => Of(json)).Message;
        Assert.Contains("the metadata's 'config' does not describe a SongUNet: ", message);
        Assert.Contains(words, message);
        Assert.DoesNotContain("\n", message);
    }

    [Fact]
    public void MetadataWithoutAConfigIsRefused() =>
        Assert.Contains(
            "holds no 'config'",
            Assert
                .Throws<InvalidDataException>(() => SongUNetOptions.FromMetadata(new Dictionary<string, string>()))
                .Message
        );

    [Fact]
    public void EveryBadValueIsNamed()
    {
        void Refused(string words, Func<SongUNetOptions> make) =>
            Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(make).Message);
        void RefusedTogether(string words, SongUNetOptions options) =>
            Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(() => new SongUNet(options, 1)).Message);
        Refused("Resolution must be at least 1, was 0", () => new() { Resolution = 0 });
        Refused("Channels must be at least 1, was 0", () => new() { Channels = 0 });
        Refused("ModelChannels must be at least 4, was 0", () => new() { ModelChannels = 0 });
        Refused("ModelChannels must be a multiple of 4, was 30", () => new() { ModelChannels = 30 });
        Refused("ChannelMultipliers must name at least one level", () => new() { ChannelMultipliers = [] });
        Refused("ChannelMultipliers must be at least 1, was -2", () => new() { ChannelMultipliers = [1, -2] });
        Refused("Blocks must be at least 1, was 0", () => new() { Blocks = 0 });
        Refused("LabelDim must be at least 0, was -1", () => new() { LabelDim = -1 });
        Refused("AugmentDim must be at least 0, was -1", () => new() { AugmentDim = -1 });
        Refused("NoiseMultiplier must be at least 1, was 0", () => new() { NoiseMultiplier = 0 });
        Refused("EmbeddingMultiplier must be at least 1, was 0", () => new() { EmbeddingMultiplier = 0 });
        foreach (var bad in new[] { -0.1, 1, double.NaN })
        {
            Refused($"Dropout must be at least 0 and below 1, was {bad}", () => new() { Dropout = bad });
            Refused($"LabelDropout must be at least 0 and below 1, was {bad}", () => new() { LabelDropout = bad });
        }
        Refused("Embedding must be Positional or Fourier, was 9", () => new() { Embedding = (SongUNetEmbedding)9 });
        Refused("Encoder must be Standard or Residual or Skip, was 9", () => new() { Encoder = (SongUNetEncoder)9 });
        Refused("Decoder must be Standard or Skip, was 9", () => new() { Decoder = (SongUNetDecoder)9 });
        Refused("ResampleFilter must have an even number of values, had 3", () => new() { ResampleFilter = [1, 2, 1] });
        Refused("ResampleFilter must be finite with a sum other than zero", () => new() { ResampleFilter = [1, -1] });
        Refused("ResampleFilter must be finite", () => new() { ResampleFilter = [1, double.NaN] });
        RefusedTogether(
            "Resolution must be divisible by 2 once for each of the 2 levels below the first, was 30",
            new() { Resolution = 30 }
        );
        RefusedTogether(
            "AttentionResolutions must name resolutions of levels (32, 16, 8), named 20",
            new() { AttentionResolutions = [20] }
        );
        RefusedTogether("LabelDropout is for a network with classes", new() { LabelDropout = 0.1 });
    }
}
