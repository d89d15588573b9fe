namespace BalancedDiffusion.Protocols;

/// <summary>A setting of a protocol in words, and where it comes from.</summary>
/// <param name="Name">What is set.</param>
/// <param name="Value">To what.</param>
/// <param name="Source">The paper, the authors' code, the model's own publication, or ours where none of them
/// says.</param>
public sealed record ProtocolSetting(string Name, string Value, string Source);
