using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace BalancedDiffusion.Tests.Architecture;

/// <summary>
/// Which namespaces of an assembly use which, read from the compiled file: base types, interfaces, members' types,
/// method bodies and attributes. What the compiler writes as a bare number or string leaves no trace and is not seen:
/// the value of a constant, a member of an enumeration, <c>nameof</c>.
/// </summary>
internal static class NamespaceGraph
{
    /// <summary>Reads the graph.</summary>
    /// <param name="assemblyPath">The assembly's file.</param>
    /// <param name="rootNamespace">The namespace to look at, with those under it, e.g.
    /// <c>BalancedDiffusion</c>.</param>
    /// <returns>
    /// Every namespace of the assembly at or under the root, and the other such namespaces whose types its types name.
    /// A nested type, a lambda's class too, counts as part of the type that it stands in.
    /// </returns>
    public static IReadOnlyDictionary<string, IReadOnlySet<string>> Read(string assemblyPath, string rootNamespace)
    {
        using var file = new PEReader(File.OpenRead(assemblyPath));
        var assembly = new AssemblyReader(file);
        var graph = new SortedDictionary<string, SortedSet<string>>(StringComparer.Ordinal);
        bool Counts(string name) =>
            name == rootNamespace || name.StartsWith(rootNamespace + ".", StringComparison.Ordinal);
        foreach (var type in assembly.Types)
        {
            var user = assembly.NamespaceOf(type);
            if (!Counts(user))
                continue;
            if (!graph.TryGetValue(user, out var uses))
                graph[user] = uses = new SortedSet<string>(StringComparer.Ordinal);
            uses.UnionWith(assembly.TypesUsedBy(type).Select(assembly.NamespaceOf).Where(Counts));
            uses.Remove(user);
        }
        return graph.ToDictionary(entry => entry.Key, entry => (IReadOnlySet<string>)entry.Value);
    }

    /// <summary>Finds namespaces that use each other in a circle.</summary>
    /// <returns>The namespaces along one circle, the first again at the end; empty where there is none.</returns>
    public static IReadOnlyList<string> Cycle(IReadOnlyDictionary<string, IReadOnlySet<string>> graph)
    {
        var path = new List<string>();
        var done = new HashSet<string>();
        IReadOnlyList<string> Follow(string name)
        {
            if (path.IndexOf(name) is >= 0 and var start)
                return [.. path[start..], name];
            if (!done.Add(name))
                return [];
            path.Add(name);
            foreach (var next in graph.GetValueOrDefault(name) ?? FrozenSet<string>.Empty)
                if (Follow(next) is { Count: > 0 } circle)
                    return circle;
            path.RemoveAt(path.Count - 1);
            return [];
        }
        return graph.Keys.Select(Follow).FirstOrDefault(circle => circle.Count > 0) ?? [];
    }

    private sealed class AssemblyReader(PEReader file)
    {
        // By the opcode's value; those of two bytes start with 0xFE.
        private static readonly FrozenDictionary<short, OpCode> OpCodesByValue = typeof(OpCodes)
            .GetFields()
            .Select(field => (OpCode)field.GetValue(null)!)
            .ToFrozenDictionary(code => code.Value);

        private readonly MetadataReader reader = file.GetMetadataReader();

        public IEnumerable<TypeDefinitionHandle> Types => reader.TypeDefinitions;

        public string NamespaceOf(TypeDefinitionHandle handle)
        {
            var type = reader.GetTypeDefinition(handle);
            while (type.GetDeclaringType() is { IsNil: false } outer)
                type = reader.GetTypeDefinition(outer);
            return reader.GetString(type.Namespace);
        }

        public HashSet<TypeDefinitionHandle> TypesUsedBy(TypeDefinitionHandle handle)
        {
            var uses = new Uses(reader);
            var type = reader.GetTypeDefinition(handle);
            uses.Add(type.BaseType);
            uses.Add(type.GetCustomAttributes());
            uses.Add(type.GetGenericParameters());
            foreach (var implementation in type.GetInterfaceImplementations().Select(reader.GetInterfaceImplementation))
            {
                uses.Add(implementation.Interface);
                uses.Add(implementation.GetCustomAttributes());
            }
            foreach (var implementation in type.GetMethodImplementations().Select(reader.GetMethodImplementation))
                uses.Add(implementation.MethodDeclaration);
            foreach (var field in type.GetFields().Select(reader.GetFieldDefinition))
            {
                field.DecodeSignature(uses, null);
                uses.Add(field.GetCustomAttributes());
            }
            foreach (var property in type.GetProperties().Select(reader.GetPropertyDefinition))
            {
                property.DecodeSignature(uses, null);
                uses.Add(property.GetCustomAttributes());
            }
            foreach (var raised in type.GetEvents().Select(reader.GetEventDefinition))
            {
                uses.Add(raised.Type);
                uses.Add(raised.GetCustomAttributes());
            }
            foreach (var method in type.GetMethods().Select(reader.GetMethodDefinition))
                Add(method, uses);
            return uses.Types;
        }

        private void Add(MethodDefinition method, Uses uses)
        {
            method.DecodeSignature(uses, null);
            uses.Add(method.GetCustomAttributes());
            uses.Add(method.GetGenericParameters());
            foreach (var parameter in method.GetParameters().Select(reader.GetParameter))
                uses.Add(parameter.GetCustomAttributes());
            if (method.RelativeVirtualAddress == 0)
                return;
            var body = file.GetMethodBody(method.RelativeVirtualAddress);
            uses.Add(body.LocalSignature);
            foreach (var region in body.ExceptionRegions.Where(part => part.Kind == ExceptionRegionKind.Catch))
                uses.Add(region.CatchType);
            AddInstructions(body.GetILReader(), uses);
        }

        private static void AddInstructions(BlobReader code, Uses uses)
        {
            while (code.RemainingBytes > 0)
            {
                short value = code.ReadByte();
                if (value == 0xFE)
                    value = unchecked((short)(0xFE00 | code.ReadByte()));
                switch (OpCodesByValue[value].OperandType)
                {
                    case OperandType.InlineField:
                    case OperandType.InlineMethod:
                    case OperandType.InlineSig:
                    case OperandType.InlineTok:
                    case OperandType.InlineType:
                        uses.Add(MetadataTokens.EntityHandle(code.ReadInt32()));
                        break;
                    case OperandType.InlineSwitch:
                        var targets = code.ReadInt32();
                        code.Offset += 4 * targets;
                        break;
                    case OperandType.InlineI8:
                    case OperandType.InlineR:
                        code.Offset += 8;
                        break;
                    case OperandType.InlineBrTarget:
                    case OperandType.InlineI:
                    case OperandType.InlineString:
                    case OperandType.ShortInlineR:
                        code.Offset += 4;
                        break;
                    case OperandType.InlineVar:
                        code.Offset += 2;
                        break;
                    case OperandType.ShortInlineBrTarget:
                    case OperandType.ShortInlineI:
                    case OperandType.ShortInlineVar:
                        code.Offset += 1;
                        break;
                    case OperandType.InlineNone:
                        break;
                    default:
                        throw new BadImageFormatException($"Opcode {value:X} has an operand of an unknown kind.");
                }
            }
        }
    }

    /// <summary>Collects the types of this assembly that handles and signatures name.</summary>
    private sealed class Uses(MetadataReader reader)
        : ISignatureTypeProvider<string?, object?>,
            ICustomAttributeTypeProvider<string?>
    {
        // By full name: an attribute names a type by its words.
        private readonly Lazy<Dictionary<string, TypeDefinitionHandle>> byName = new(() =>
            reader.TypeDefinitions.ToDictionary(handle => FullName(reader, handle))
        );

        public HashSet<TypeDefinitionHandle> Types { get; } = [];

        public void Add(EntityHandle handle)
        {
            if (handle.IsNil)
                return;
            switch (handle.Kind)
            {
                case HandleKind.TypeDefinition:
                    Types.Add((TypeDefinitionHandle)handle);
                    break;
                case HandleKind.TypeSpecification:
                    reader.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(this, null);
                    break;
                case HandleKind.FieldDefinition:
                    Add(reader.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType());
                    break;
                case HandleKind.MethodDefinition:
                    Add(reader.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType());
                    break;
                case HandleKind.MethodSpecification:
                    var generic = reader.GetMethodSpecification((MethodSpecificationHandle)handle);
                    generic.DecodeSignature(this, null);
                    Add(generic.Method);
                    break;
                case HandleKind.MemberReference:
                    Add(reader.GetMemberReference((MemberReferenceHandle)handle));
                    break;
                case HandleKind.StandaloneSignature:
                    Add(reader.GetStandaloneSignature((StandaloneSignatureHandle)handle));
                    break;
                case HandleKind.TypeReference: // of another assembly
                    break;
                default:
                    throw new BadImageFormatException($"A handle of kind {handle.Kind} where a type or member is due.");
            }
        }

        public void Add(CustomAttributeHandleCollection attributes)
        {
            foreach (var attribute in attributes.Select(reader.GetCustomAttribute))
            {
                Add(attribute.Constructor);
                attribute.DecodeValue(this);
            }
        }

        public void Add(GenericParameterHandleCollection parameters)
        {
            foreach (var parameter in parameters.Select(reader.GetGenericParameter))
            {
                Add(parameter.GetCustomAttributes());
                foreach (var constraint in parameter.GetConstraints().Select(reader.GetGenericParameterConstraint))
                    Add(constraint.Type);
            }
        }

        private void Add(MemberReference member)
        {
            Add(member.Parent);
            if (member.GetKind() == MemberReferenceKind.Field)
                member.DecodeFieldSignature(this, null);
            else
                member.DecodeMethodSignature(this, null);
        }

        private void Add(StandaloneSignature signature)
        {
            if (signature.GetKind() == StandaloneSignatureKind.LocalVariables)
                signature.DecodeLocalSignature(this, null);
            else
                signature.DecodeMethodSignature(this, null);
        }

        private static string FullName(MetadataReader reader, TypeDefinitionHandle handle)
        {
            var type = reader.GetTypeDefinition(handle);
            var name = reader.GetString(type.Name);
            if (type.GetDeclaringType() is { IsNil: false } outer)
                return $"{FullName(reader, outer)}+{name}";
            return type.Namespace.IsNil ? name : $"{reader.GetString(type.Namespace)}.{name}";
        }

        // The names that the members below return are only asked for where an attribute's argument is an enumeration.

        public string? GetTypeFromDefinition(MetadataReader metadata, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            Types.Add(handle);
            return FullName(metadata, handle);
        }

        public string? GetTypeFromSerializedName(string name)
        {
            var bare = name.Split(',', '[')[0];
            // A generic type's arguments stand in brackets, each a name of its own.
            foreach (var part in name.Split('[', ']', ',').Select(part => part.Trim()))
                if (byName.Value.TryGetValue(part, out var handle))
                    Types.Add(handle);
            return bare;
        }

        public PrimitiveTypeCode GetUnderlyingEnumType(string? type)
        {
            if (type is null || !byName.Value.TryGetValue(type, out var handle))
                return PrimitiveTypeCode.Int32;
            var value = reader
                .GetTypeDefinition(handle)
                .GetFields()
                .Select(reader.GetFieldDefinition)
                .First(field => !field.Attributes.HasFlag(System.Reflection.FieldAttributes.Static));
            return Enum.Parse<PrimitiveTypeCode>(value.DecodeSignature(this, null)!);
        }

        public string? GetTypeFromSpecification(
            MetadataReader metadata,
            object? context,
            TypeSpecificationHandle handle,
            byte rawTypeKind
        ) => metadata.GetTypeSpecification(handle).DecodeSignature(this, context);

        public string? GetPrimitiveType(PrimitiveTypeCode typeCode) => typeCode.ToString();

        public bool IsSystemType(string? type) => type == "System.Type";

        public string? GetSystemType() => "System.Type";

        public string? GetTypeFromReference(MetadataReader metadata, TypeReferenceHandle handle, byte rawTypeKind)
        {
            var type = metadata.GetTypeReference(handle);
            return $"{metadata.GetString(type.Namespace)}.{metadata.GetString(type.Name)}";
        }

        public string? GetSZArrayType(string? elementType) => null;

        public string? GetArrayType(string? elementType, ArrayShape shape) => null;

        public string? GetByReferenceType(string? elementType) => null;

        public string? GetPointerType(string? elementType) => null;

        public string? GetPinnedType(string? elementType) => null;

        public string? GetFunctionPointerType(MethodSignature<string?> signature) => null;

        public string? GetModifiedType(string? modifier, string? unmodifiedType, bool isRequired) => unmodifiedType;

        public string? GetGenericInstantiation(string? genericType, ImmutableArray<string?> typeArguments) => null;

        public string? GetGenericTypeParameter(object? context, int index) => null;

        public string? GetGenericMethodParameter(object? context, int index) => null;
    }
}
