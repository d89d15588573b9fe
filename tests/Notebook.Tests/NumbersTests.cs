using System.Globalization;

namespace BalancedDiffusion.Notebook.Tests;

public class NumbersTests
{
    public static TheoryData<object, string> Numbers =>
        new()
        {
            { 1.5, "1.5" },
            { -3.0, "-3" },
            { 1.0 / 3, "0.333333" },
            { 1e-9, "1E-09" },
            { 123456789.0, "123456789" },
            { 1234567.25, "1.23457E+06" },
            { 2f / 3, "0.666667" },
            { (Half)0.5, "0.5" },
            { 1m / 3, "0.333333" },
            { 1234567.5m, "1.23457E+06" },
            { 0.10m, "0.1" },
            { double.NaN, "NaN" },
            { double.PositiveInfinity, "Infinity" },
            { double.NegativeInfinity, "-Infinity" },
        };

    [Theory]
    [MemberData(nameof(Numbers))]
    public void ANumberIsShownWithSixDigitsAndAPointOnEveryMachine(object number, string shown)
    {
        var before = CultureInfo.CurrentCulture;
        try
        {
            // Written out, since the tests themselves run without the system's cultures.
            var comma = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            (comma.NumberFormat.NumberDecimalSeparator, comma.NumberFormat.NumberGroupSeparator) = (",", ".");
            CultureInfo.CurrentCulture = comma;
            Assert.Equal("1,5", $"{1.5}");
            Assert.Equal(
                (shown, $"<p><code>{shown}</code></p>"),
                (Formatters.Of(number).Plain, Formatters.Of(number).Html)
            );
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }
}
