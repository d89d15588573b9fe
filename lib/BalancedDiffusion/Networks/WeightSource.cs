using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>Gives a network under construction its tensors, each by published name and shape; the network takes them
/// over.</summary>
internal delegate torch.Tensor WeightSource(string name, params long[] shape);
