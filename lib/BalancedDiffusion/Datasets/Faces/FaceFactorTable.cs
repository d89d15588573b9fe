using System.Collections.Frozen;
using System.Reflection;

namespace BalancedDiffusion.Datasets.Faces;

/// <summary>States the range and the meaning of a factor, beside its property.</summary>
/// <param name="min">The least value allowed.</param>
/// <param name="max">The greatest value allowed.</param>
/// <param name="meaning">What the least and the greatest value stand for.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class FactorAttribute(float min, float max, string meaning) : Attribute
{
    public FaceFactor Of(string name) => new(name, min, max, meaning);
}

/// <summary>The factors of <see cref="FaceFactors"/>, read once from the attributes of its properties, and how each is
/// read and written.</summary>
internal static class FaceFactorTable
{
    private static readonly PropertyInfo[] Properties =
    [
        .. typeof(FaceFactors)
            .GetProperties()
            .Where(property => property.IsDefined(typeof(FactorAttribute)))
            .OrderBy(property => property.MetadataToken),
    ];

    private static readonly Func<FaceFactors, float>[] Getters =
    [
        .. Properties.Select(property => property.GetMethod!.CreateDelegate<Func<FaceFactors, float>>()),
    ];

    private static readonly Action<FaceFactors, float>[] Setters =
    [
        .. Properties.Select(property => property.SetMethod!.CreateDelegate<Action<FaceFactors, float>>()),
    ];

    /// <summary>Every factor, in the order of the properties.</summary>
    public static IReadOnlyList<FaceFactor> All { get; } =
        Array.AsReadOnly(
            Properties.Select(property => property.GetCustomAttribute<FactorAttribute>()!.Of(property.Name)).ToArray()
        );

    private static readonly FrozenDictionary<string, FaceFactor> ByName = All.ToFrozenDictionary(factor => factor.Name);

    /// <summary>The value of the factor with this place in <see cref="All"/>.</summary>
    public static float Get(FaceFactors factors, int place) => Getters[place](factors);

    /// <summary>Writes it, and refuses what is out of its range.</summary>
    public static void Set(FaceFactors factors, int place, float value) => Setters[place](factors, value);

    /// <summary>The value, where it lies in the range of the factor with this name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not, or is NaN.</exception>
    public static float Within(string name, float value)
    {
        var factor = ByName[name];
        if (!(value >= factor.Min && value <= factor.Max))
            throw new ArgumentOutOfRangeException(
                factor.Name,
                $"{factor.Name} must be between {factor.Min} and {factor.Max}, was {value}"
            );
        return value;
    }
}
