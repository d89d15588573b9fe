// Members are there to be read by NamespaceGraph only.
#pragma warning disable CS0067, CS0168, CS0649, CS0169, CS0414

// Each namespace under Uses names the namespace Used in one way and in no other.
namespace NamespaceGraphSamples.Used
{
    internal class Thing
    {
        public int Field;

        public static int Number() => DateTime.Now.Second;

        internal sealed class Inner;
    }

    internal interface IThing;

    internal interface IAnswer
    {
        int Answer();
    }

    internal struct Value;

    internal enum Kind : byte
    {
        Other,
    }

    internal sealed class ThingException : Exception;

    internal sealed class MarkAttribute : Attribute;

    internal static class Extensions
    {
        public static int Doubled(this int number) => 2 * number;

        public static void Generic<T>() { }
    }
}

namespace NamespaceGraphSamples.Elsewhere
{
    [AttributeUsage(AttributeTargets.All)]
    internal sealed class NamesAttribute : Attribute
    {
        public Type? Type { get; set; }

        public object? Value { get; set; }
    }
}

namespace NamespaceGraphSamples.Uses.BaseType
{
    internal sealed class User : Used.Thing;
}

namespace NamespaceGraphSamples.Uses.Interface
{
    internal sealed class User : Used.IThing;
}

namespace NamespaceGraphSamples.Uses.Field
{
    internal sealed class User
    {
        private Used.Thing? thing;
    }
}

namespace NamespaceGraphSamples.Uses.ArrayElement
{
    internal sealed class User
    {
        private Used.Value[,]? values;
    }
}

namespace NamespaceGraphSamples.Uses.TypeArgument
{
    internal sealed class User
    {
        private Dictionary<string, List<Used.Thing>>? things;
    }
}

namespace NamespaceGraphSamples.Uses.Property
{
    internal abstract class User
    {
        public abstract Used.Thing Thing { get; }
    }
}

namespace NamespaceGraphSamples.Uses.Event
{
    internal abstract class User
    {
        public abstract event EventHandler<Used.Thing> Raised;
    }
}

namespace NamespaceGraphSamples.Uses.Parameter
{
    internal abstract class User
    {
        public abstract void Method(ref Used.Value value);
    }
}

namespace NamespaceGraphSamples.Uses.Constraint
{
    internal sealed class User<T>
        where T : Used.Thing;
}

namespace NamespaceGraphSamples.Uses.Local
{
    internal static class User
    {
        public static bool Method(IEnumerable<object> objects)
        {
            foreach (var item in objects)
                if (item is Used.Value)
                    return true;
            return false;
        }
    }
}

namespace NamespaceGraphSamples.Uses.Call
{
    internal static class User
    {
        public static int Method() => Used.Thing.Number();
    }
}

namespace NamespaceGraphSamples.Uses.ExtensionCall
{
    using NamespaceGraphSamples.Used;

    internal static class User
    {
        public static int Method() => 3.Doubled();
    }
}

namespace NamespaceGraphSamples.Uses.MethodArgument
{
    internal static class User
    {
        public static int Method() => Array.Empty<Used.Thing>().Length;
    }
}

namespace NamespaceGraphSamples.Uses.New
{
    internal static class User
    {
        public static object Method() => new Used.Thing();
    }
}

namespace NamespaceGraphSamples.Uses.Catch
{
    internal static class User
    {
        public static void Method()
        {
            try
            {
                Console.Out.Flush();
            }
            catch (Used.ThingException) { }
        }
    }
}

namespace NamespaceGraphSamples.Uses.TypeOf
{
    internal static class User
    {
        public static string Method(int number) =>
            number switch // a jump table, to be stepped over
            {
                0 => "zero",
                1 => "one",
                2 => "two",
                3 => "three",
                _ => typeof(Used.Thing).Name + 1.5 + 12345678901L,
            };
    }
}

namespace NamespaceGraphSamples.Uses.Lambda
{
    internal static class User
    {
        public static Func<int> Method(int offset) => () => offset + Used.Thing.Number();
    }
}

namespace NamespaceGraphSamples.Uses.Async
{
    internal static class User
    {
        public static async Task<int> Method()
        {
            await Task.Yield();
            return Used.Thing.Number();
        }
    }
}

namespace NamespaceGraphSamples.Uses.Nested
{
    internal static class User
    {
        internal sealed class Inner
        {
            private Used.Thing.Inner? thing;
        }
    }
}

namespace NamespaceGraphSamples.Uses.Attribute
{
    [Used.Mark]
    internal static class User;
}

namespace NamespaceGraphSamples.Uses.ParameterAttribute
{
    internal static class User
    {
        public static void Method([Used.Mark] int number) { }
    }
}

namespace NamespaceGraphSamples.Uses.Unrelated
{
    internal static class User
    {
        public static string Method() => "NamespaceGraphSamples.Used.Thing";
    }
}

namespace NamespaceGraphSamples.UsesByAttribute.TypeOf
{
    [Elsewhere.Names(Type = typeof(Used.Thing.Inner))]
    internal static class User;
}

namespace NamespaceGraphSamples.UsesByAttribute.TypeArgument
{
    [Elsewhere.Names(Type = typeof(List<Used.Thing>))]
    internal static class User;
}

namespace NamespaceGraphSamples.UsesByAttribute.Enumeration
{
    [Elsewhere.Names(Value = Used.Kind.Other)]
    internal static class User;
}

namespace NamespaceGraphSamples.UsesByAttribute.None
{
    [Elsewhere.Names]
    internal static class User;
}
