using System.Security.Cryptography;
using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Tests.Datasets;

// The expected bytes and checksums are the output of Pillow 9.4 (Image.resize with Image.BILINEAR, Image.convert('L'))
// for TestData.Synthetic.
public class PilImagingTests
{
    [Theory]
    [InlineData(1, 178, 218, 32, 32, "b5075f0f3da61ce9c9914a9f588681f83ecf02ff269c3e611d17c4c91f563db0")]
    [InlineData(1, 32, 32, 32, 32, "92fe0ded2cb37ae144727e7be28643c67dbee43b7907dc1d68da026329b4a2b0")]
    [InlineData(1, 5, 7, 32, 32, "0f8e3c4c9c2c9ab4792cdbf71a9ce4771d3d30c887d4d5b98d1f12ed58a4792c")]
    [InlineData(1, 400, 20, 32, 32, "85bddcfd2ea98a1cbb321d6dc43fcc5a25d4f95c059e942449aa13e2e99c09ae")]
    [InlineData(1, 33, 31, 32, 32, "abd02328fa3de0536c9697fa2c6246e9d7897f778d4eb3a3204b30ed30c19f64")]
    [InlineData(1, 1, 1, 4, 3, "3ee5f0d83bf791f0fb4d750a5719ce19d6d352ef7e5a4264e4b760f0f9c15014")]
    [InlineData(1, 64, 64, 32, 32, "439a370e8dc4cc23d659868b9d77632d0a97debe1d614e0733fb317e690a6ba1")]
    [InlineData(1, 218, 178, 7, 64, "b7fe8f00d946cdf588dd2c6a85063c5f9c80bd009f0eb1d3c3efd937ae324836")]
    [InlineData(3, 178, 218, 32, 32, "838011f747ceea01d640a8808331d9f82d506d1adaf6419e505bac821e88a907")]
    [InlineData(3, 32, 32, 32, 32, "ee85de7f01248e5ee2207d1a3e27535648e7d76c58e302b3e31ca6802b416505")]
    [InlineData(3, 5, 7, 32, 32, "743f2eec81cfdae2757c2b69bf2cd11cad289bb8ebec98bd61003d017cf668ad")]
    [InlineData(3, 400, 20, 32, 32, "1999ec81ab1ebf8472801f35ca1b28699f2b70da2c3a28f4e047fc9cc0dafef6")]
    [InlineData(3, 33, 31, 32, 32, "412abe3cb135611d1a86fafb4196c5c2e9a0b8c5b3444256f4b7dbc87367e72a")]
    [InlineData(3, 1, 1, 4, 3, "7b083588e3f3f84d13d9446ea2d2b909cd23ef0478908eecffaba5773dc6a8d7")]
    [InlineData(3, 64, 64, 32, 32, "99409bc8cc98bf634028f3a3788866b0cc941883872a953c3c594a736125387b")]
    [InlineData(3, 218, 178, 7, 64, "aa444a7ecaa8e9c61245f99b41c23bdfe9edc73e5ef3f173338797410c5e287e")]
    public void ResizingGivesPillowsBytesAtEverySizeAndNumberOfChannels(
        int channels,
        int width,
        int height,
        int newWidth,
        int newHeight,
        string sha256
    )
    {
        var resized = PilImaging.ResizeBilinear(
            TestData.Synthetic(width, height, channels),
            width,
            height,
            channels,
            newWidth,
            newHeight
        );
        Assert.Equal(newWidth * newHeight * channels, resized.Length);
        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(resized)));
    }

    [Fact]
    public void AnImageOfCelebAsSizeBecomesPillowsColourAndGreyImage()
    {
        var rgb = PilImaging.ResizeBilinear(TestData.Synthetic(178, 218, 3), 178, 218, 3, 32, 32);
        Assert.Equal(TestData.Fixture("pil-synthetic-32x32-rgb.bin"), rgb);
        Assert.Equal(TestData.Fixture("pil-synthetic-32x32-grey.bin"), PilImaging.Luma(rgb));
    }

    [Fact]
    public void LumaGivesPillowsBytesOnAGridOfAllColours()
    {
        var grid = new List<byte>();
        for (var r = 0; r < 256; r += 5)
        for (var g = 0; g < 256; g += 5)
        for (var b = 0; b < 256; b += 5)
            grid.AddRange([(byte)r, (byte)g, (byte)b]);
        Assert.Equal(
            "b3226cf294959434d36b7d8a379876d4ce7253e41a1bed8511578ccc609b3e1b",
            Convert.ToHexStringLower(SHA256.HashData(PilImaging.Luma(grid.ToArray())))
        );
    }

    [Fact]
    public void ImagesThatDoNotFitTheirSizeAreRefusedByNumber()
    {
        Assert.Contains(
            "12 bytes, was 11",
            Assert.Throws<ArgumentException>(() => PilImaging.ResizeBilinear(new byte[11], 2, 2, 3, 1, 1)).Message
        );
        Assert.Contains(
            "newWidth must be at least 1, was 0",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => PilImaging.ResizeBilinear(new byte[12], 2, 2, 3, 0, 1))
                .Message
        );
        Assert.Contains("was 4 bytes", Assert.Throws<ArgumentException>(() => PilImaging.Luma(new byte[4])).Message);
    }
}
