namespace BalancedDiffusion.Exercises;

/// <summary>A task of an exercise notebook, whose answer is a function that the check calls with fresh random
/// inputs.</summary>
internal abstract class Exercise
{
    /// <summary>Chapter and number, e.g. <c>03.2</c>.</summary>
    public abstract string Id { get; }

    /// <summary>The title, as in the notebook's heading.</summary>
    public abstract string Title { get; }

    /// <summary>What the answer must be, e.g. <c>(Tensor y, double sigma) → Tensor</c>.</summary>
    public abstract string Signature { get; }

    /// <summary>A right answer, written with the library or as a closed form.</summary>
    public abstract Delegate Truth { get; }

    /// <summary>Mistakes that are recognised, each with its sentence.</summary>
    public abstract IReadOnlyList<(string Sentence, Delegate Wrong)> Slips { get; }

    /// <summary>Judges an answer; whatever it does becomes part of the verdict, nothing is thrown.</summary>
    /// <param name="answer">The answer, of whatever type.</param>
    /// <param name="seed">The seed of the inputs.</param>
    public abstract Verdict Judge(object? answer, long seed);

    /// <summary>E.g. <c>(Tensor y, double sigma) → Tensor</c>.</summary>
    private protected static string Describe(Delegate function)
    {
        var parameters = function.Method.GetParameters().Select(p => $"{Name(p.ParameterType)} {p.Name}".Trim());
        return $"({string.Join(", ", parameters)}) → {Name(function.Method.ReturnType)}";
    }

    private protected static string Name(Type type) =>
        type switch
        {
            _ when type == typeof(double) => "double",
            _ when type == typeof(float) => "float",
            _ when type == typeof(int) => "int",
            _ when type == typeof(long) => "long",
            _ when type == typeof(bool) => "bool",
            _ when type == typeof(string) => "string",
            _ when type == typeof(void) => "void",
            { IsArray: true } => Name(type.GetElementType()!) + "[]",
            { IsGenericType: true } when type.IsAssignableTo(typeof(System.Runtime.CompilerServices.ITuple)) =>
                $"({string.Join(", ", type.GetGenericArguments().Select(Name))})",
            { IsGenericType: true } =>
                $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>",
            _ => type.Name,
        };
}
