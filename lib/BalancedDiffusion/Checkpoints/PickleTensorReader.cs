using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// Reads the pickle of a torch state dict as plain data. A pickle is a small program; this reader knows only the
/// instructions that build numbers, texts, lists and dictionaries, and only the names in its allow-list, each of which
/// it handles itself. It never looks up, loads or calls anything that a file names. Asked to keep objects inert, it
/// takes what other names stand for as a record of what the file says of it, and runs that no more than the rest.
/// </summary>
internal sealed partial class PickleTensorReader
{
    private static readonly Dictionary<string, torch.ScalarType> Storages = new()
    {
        ["FloatStorage"] = torch.ScalarType.Float32,
        ["DoubleStorage"] = torch.ScalarType.Float64,
        ["HalfStorage"] = torch.ScalarType.Float16,
        ["BFloat16Storage"] = torch.ScalarType.BFloat16,
        ["LongStorage"] = torch.ScalarType.Int64,
        ["IntStorage"] = torch.ScalarType.Int32,
        ["ShortStorage"] = torch.ScalarType.Int16,
        ["CharStorage"] = torch.ScalarType.Int8,
        ["ByteStorage"] = torch.ScalarType.Byte,
        ["BoolStorage"] = torch.ScalarType.Bool,
    };

    private readonly ReadOnlyMemory<byte> pickle;
    private readonly Dictionary<string, ReadOnlyMemory<byte>>? storages;
    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly Dictionary<long, object?> memo = [];
    private int position;

    private PickleTensorReader(
        ReadOnlyMemory<byte> pickle,
        int position,
        Dictionary<string, ReadOnlyMemory<byte>>? storages
    ) => (this.pickle, this.position, this.storages) = (pickle, position, storages);

    /// <summary>Reads the one object of a pickle: <see cref="Map"/>, <c>List&lt;object?&gt;</c>, <c>object?[]</c> (a
    /// tuple), <see cref="View"/>, long, double, bool, string, bytes or null.</summary>
    /// <exception cref="InvalidDataException">The pickle is damaged, or asks for more than data.</exception>
    public static object? Read(ReadOnlyMemory<byte> pickle) => new PickleTensorReader(pickle, 0, null).Run();

    /// <summary>Reads the pickle that begins at a position, and moves the position behind it.</summary>
    public static object? Read(ReadOnlyMemory<byte> pickles, ref int position)
    {
        var reader = new PickleTensorReader(pickles, position, null);
        var value = reader.Run();
        position = reader.position;
        return value;
    }

    /// <summary>Reads a pickle of objects, each kept as an <see cref="Inert"/>, with the bytes of the storages that
    /// stand in it by their keys.</summary>
    public static object? ReadInert(ReadOnlyMemory<byte> pickle, Dictionary<string, ReadOnlyMemory<byte>> storages) =>
        new PickleTensorReader(pickle, 0, storages).Run();

    private object? Run()
    {
        while (true)
        {
            var op = Take(1)[0];
            if (op == (byte)'.')
                return Pop();
            if (!(Frames(op) || PutsValue(op) || Collects(op) || Remembers(op) || PutsObject(op)))
                throw new InvalidDataException(
                    $"its pickle holds instruction 0x{op:x2} at byte {position - 1}, which no state dict needs; "
                        + "it was refused, nothing was run"
                );
        }
    }

    /// <summary>Carries out an instruction about the pickle itself, if it is one.</summary>
    private bool Frames(byte op)
    {
        switch (op)
        {
            case 0x80: // PROTO
                var version = Take(1)[0];
                if (version > 5)
                    throw new InvalidDataException(
                        $"its pickle has protocol {version}, which is newer than this reader (5)"
                    );
                break;
            case 0x95:
                Take(8);
                break; // FRAME
            case (byte)'0':
                Pop();
                break; // POP
            default:
                return false;
        }
        return true;
    }

    /// <summary>Carries out an instruction that puts a number, a text, bytes or nothing on the stack, if it is
    /// one.</summary>
    private bool PutsValue(byte op)
    {
        switch (op)
        {
            case (byte)'N':
                stack.Add(null);
                break;
            case 0x88:
                stack.Add(true);
                break;
            case 0x89:
                stack.Add(false);
                break;
            case (byte)'K':
                stack.Add((long)Take(1)[0]);
                break;
            case (byte)'M':
                stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                break;
            case (byte)'J':
                stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                break;
            case 0x8a:
                stack.Add(Long(Take(Take(1)[0])));
                break;
            case 0x8b:
                stack.Add(Long(Take(Length(4))));
                break;
            case (byte)'G':
                stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                break;
            case (byte)'X':
                stack.Add(Text(Take(Length(4))));
                break;
            case 0x8c:
                stack.Add(Text(Take(Take(1)[0])));
                break; // SHORT_BINUNICODE
            case 0x8d:
                stack.Add(Text(Take(Length(8))));
                break; // BINUNICODE8
            case (byte)'U':
                stack.Add(Encoding.Latin1.GetString(Take(Take(1)[0])));
                break; // SHORT_BINSTRING of Python 2
            case (byte)'T':
                stack.Add(Encoding.Latin1.GetString(Take(Length(4))));
                break;
            case (byte)'C':
                stack.Add(Bytes(Take(1)[0]));
                break; // SHORT_BINBYTES
            case (byte)'B':
                stack.Add(Bytes(Length(4)));
                break;
            case 0x8e when IsInert:
                stack.Add(Bytes(Length(8)));
                break; // BINBYTES8
            default:
                return false;
        }
        return true;
    }

    /// <summary>Carries out an instruction that builds a tuple, list, dictionary or set, if it is one.</summary>
    private bool Collects(byte op)
    {
        switch (op)
        {
            case (byte)'(':
                marks.Add(stack.Count);
                break;
            case (byte)')':
                stack.Add(Array.Empty<object?>());
                break;
            case 0x85:
                Tuple(1);
                break;
            case 0x86:
                Tuple(2);
                break;
            case 0x87:
                Tuple(3);
                break;
            case (byte)'t':
                stack.Add(PopToMark());
                break;
            case (byte)']':
                stack.Add(new List<object?>());
                break;
            case (byte)'l':
                stack.Add(PopToMark().ToList());
                break;
            case (byte)'a':
                var item = Pop();
                Peek<List<object?>>("list").Add(item);
                break;
            case (byte)'e':
                var items = PopToMark();
                Peek<List<object?>>("list").AddRange(items);
                break;
            case (byte)'}':
                stack.Add(new Map());
                break;
            case (byte)'d':
                var pairs = PopToMark();
                stack.Add(new Map());
                Put(pairs);
                break;
            case (byte)'s':
                var value = Pop();
                var key = Pop();
                Put([key, value]);
                break;
            case (byte)'u':
                Put(PopToMark());
                break;
            case 0x8f when IsInert:
                stack.Add(new List<object?>());
                break; // EMPTY_SET
            case 0x90 when IsInert: // ADDITEMS
                var members = PopToMark();
                Peek<List<object?>>("set").AddRange(members);
                break;
            default:
                return false;
        }
        return true;
    }

    /// <summary>Carries out an instruction that keeps or recalls what was built, if it is one.</summary>
    private bool Remembers(byte op)
    {
        switch (op)
        {
            case (byte)'q':
                memo[Take(1)[0]] = Peek();
                break;
            case (byte)'r':
                memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Peek();
                break;
            case 0x94:
                memo[memo.Count] = Peek();
                break; // MEMOIZE
            case (byte)'h':
                Recall(Take(1)[0]);
                break;
            case (byte)'j':
                Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                break;
            default:
                return false;
        }
        return true;
    }

    /// <summary>Carries out an instruction about what a name stands for, if it is one.</summary>
    private bool PutsObject(byte op)
    {
        switch (op)
        {
            case (byte)'c':
                stack.Add(Allowed(Line(), Line()));
                break;
            case 0x93: // STACK_GLOBAL
                var member = Pop() as string ?? throw Damaged();
                stack.Add(Allowed(Pop() as string ?? throw Damaged(), member));
                break;
            case (byte)'i': // INST names a class and calls it at once
                var module = Line();
                throw Refused(module, Line());
            case 0x81 when IsInert: // NEWOBJ
                var making = Pop() as object?[] ?? throw Damaged();
                stack.Add(Made(Pop() as Name ?? throw Damaged(), making));
                break;
            case (byte)'R':
                var arguments = Pop() as object?[] ?? throw Damaged();
                stack.Add(Build(Pop() as Name ?? throw Damaged(), arguments));
                break;
            case (byte)'Q':
                stack.Add(StorageOf(Pop()));
                break;
            case (byte)'b': // BUILD: the attributes of an OrderedDict (torch's _metadata) are not needed
                var state = Pop();
                if (Peek<Map>("dictionary") is Inert made)
                    made.State = state;
                break;
            default:
                return false;
        }
        return true;
    }

    private bool IsInert => storages is not null;

    private Name Allowed(string module, string member) =>
        (module, member) switch
        {
            ("collections", "OrderedDict") or ("torch", "Size") => new(module, member),
            ("torch._utils", "_rebuild_tensor_v2" or "_rebuild_parameter") => new(module, member),
            ("torch", _) when Storages.ContainsKey(member) => new(module, member),
            _ => IsInert ? new(module, member) : throw Refused(module, member),
        };

    private static Inert Made(Name name, object?[] arguments) => new($"{name.Module}.{name.Member}", arguments);

    private static InvalidDataException Refused(string module, string member) =>
        new($"asks to run '{Listing.Printable($"{module}.{member}")}'; it was refused, nothing was run");

    private object? Build(Name name, object?[] arguments)
    {
        switch (name.Member, arguments)
        {
            case ("OrderedDict", []):
                return new Map();
            case ("OrderedDict", [List<object?> pairs]):
                var map = new Map();
                foreach (var pair in pairs)
                {
                    var (key, value) = pair switch
                    {
                        object?[] { Length: 2 } p => (p[0], p[1]),
                        List<object?> { Count: 2 } p => (p[0], p[1]),
                        _ => throw Damaged(),
                    };
                    map.Entries.Add(new(key, value));
                }
                return map;
            case ("Size", [object?[] sizes]):
                return sizes;
            case ("_rebuild_tensor_v2", [Storage storage, long offset, object?[] size, object?[] stride, ..])
                when arguments.Length is >= 4 and <= 7:
                return new View(storage, offset, Longs(size), Longs(stride));
            case ("_rebuild_parameter", [View data, ..]) when arguments.Length <= 3:
                return data;
            case ("_load_from_bytes", [ReadOnlyMemory<byte> file]) when IsInert:
                var (loaded, bytes) = LegacyStorage.Read(file, $"{storages!.Count}");
                storages.Add(loaded.Key, bytes);
                return loaded;
            default:
                if (IsInert)
                    return Made(name, arguments);
                throw new InvalidDataException(
                    $"calls {name.Member} with arguments that torch does not write (byte {position} of its pickle); "
                        + "the file is damaged or was not written by torch.save"
                );
        }
    }

    private long[] Longs(object?[] values) => Array.ConvertAll(values, v => v is long n ? n : throw Damaged());

    private Storage StorageOf(object? id) =>
        id
            is object?[]
                and (
                    ["storage", Name { Module: "torch" }, string, string, long]
                    or ["storage", Name { Module: "torch" }, string, string, long, null]
                )
                and [_, Name type, string key, _, long count, ..]
        && Storages.TryGetValue(type.Member, out var scalar)
            ? new Storage(scalar, key, count)
            : throw new InvalidDataException(
                $"refers to something other than a storage at byte {position} of its pickle; the file is damaged or "
                    + "was not written by torch.save"
            );

    private void Put(object?[] pairs)
    {
        var map = Peek<Map>("dictionary");
        if (pairs.Length % 2 != 0)
            throw Damaged();
        for (var i = 0; i < pairs.Length; i += 2)
            map.Entries.Add(new(pairs[i], pairs[i + 1]));
    }

    private void Tuple(int count)
    {
        var values = new object?[count];
        for (var i = count - 1; i >= 0; i--)
            values[i] = Pop();
        stack.Add(values);
    }

    private void Recall(long index) => stack.Add(memo.TryGetValue(index, out var value) ? value : throw Damaged());

    private object? Peek() => stack.Count > Floor ? stack[^1] : throw Damaged();

    private T Peek<T>(string what)
        where T : class =>
        Peek() as T
        ?? throw new InvalidDataException(
            $"its pickle fills something that is not a {what} at byte {position}; it was refused, nothing was run"
        );

    private object? Pop()
    {
        var top = Peek();
        stack.RemoveAt(stack.Count - 1);
        return top;
    }

    private int Floor => marks.Count > 0 ? marks[^1] : 0;

    private object?[] PopToMark()
    {
        if (marks.Count == 0)
            throw Damaged();
        var from = marks[^1];
        marks.RemoveAt(marks.Count - 1);
        var items = stack.GetRange(from, stack.Count - from).ToArray();
        stack.RemoveRange(from, items.Length);
        return items;
    }

    private long Long(ReadOnlySpan<byte> bytes)
    {
        var value = new BigInteger(bytes);
        return value >= long.MinValue && value <= long.MaxValue
            ? (long)value
            : throw new InvalidDataException(
                $"its pickle holds a whole number of {bytes.Length} bytes at byte {position}, more than 8; the file "
                    + "is damaged or was not written by torch.save"
            );
    }

    private string Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Damaged();
        }
    }

    private static readonly UTF8Encoding Strict = new(false, true);

    private string Line()
    {
        var length = pickle.Span[position..].IndexOf((byte)'\n');
        if (length < 0)
            throw Damaged();
        var line = Text(Take(length));
        position++;
        return line;
    }

    private long Length(int bytes) =>
        bytes == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(Take(4)) : BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count < 0 || count > pickle.Length - position)
            throw Damaged();
        position += (int)count;
        return pickle.Span.Slice(position - (int)count, (int)count);
    }

    private ReadOnlyMemory<byte> Bytes(long count)
    {
        Take(count);
        return pickle.Slice(position - (int)count, (int)count);
    }

    private InvalidDataException Damaged() =>
        new($"its pickle is cut off or damaged at byte {position} of {pickle.Length}; fetch the file again");
}
