using System.Text.RegularExpressions;
using TorchSharp;

namespace BalancedDiffusion.Notebook.Tests;

public class StrengthControlTests
{
    static StrengthControlTests() => BalancedDiffusion.Runtime.TorchRuntime.EnsureLoaded();

    [Fact]
    public void OnePictureAStrengthIsInThePageAndTheStartingOneIsSeen()
    {
        var html = StrengthControl.Html([("-1", "AAAA"), ("0", "BBBB"), ("2.5", "CCCC")], "a \"title\" <b>", 1);
        var pictures = Regex.Matches(
            html,
            "<img src=\"data:image/png;base64,(\\w+)\" alt=\"([^\"]*)\" style=\"display:(\\w+)"
        );
        Assert.Equal(["AAAA", "BBBB", "CCCC"], pictures.Select(p => p.Groups[1].Value));
        Assert.Equal(["none", "block", "none"], pictures.Select(p => p.Groups[3].Value));
        Assert.All(pictures, p => Assert.Contains("a &quot;title&quot; &lt;b&gt;", p.Groups[2].Value));
        Assert.Contains("min=\"0\" max=\"2\" step=\"1\" value=\"1\"", html);
        Assert.Contains("aria-label", html);
        Assert.DoesNotContain("http", html);
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        using var images = torch.zeros([3, 2, 1, 8, 8]);
        Assert.Contains(
            "as many as images has rows, were 2 for 3",
            Assert.Throws<ArgumentException>(() => StrengthControl.Show(images, [0, 1], "t", "t", "t")).Message
        );
        Assert.Contains(
            "from 0 to 2, was 3",
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    StrengthControl.Show(images, [0, 1, 2], "t", "t", "t", start: 3)
                )
                .Message
        );
        using var flat = torch.zeros([3, 2, 8, 8]);
        Assert.Contains(
            "images must have shape",
            Assert.Throws<ArgumentException>(() => StrengthControl.Show(flat, [0, 1, 2], "t", "t", "t")).Message
        );
        Assert.Contains(
            "needs a takeaway",
            Assert.Throws<ArgumentException>(() => StrengthControl.Show(images, [0, 1, 2], "t", "t", " ")).Message
        );
    }
}
