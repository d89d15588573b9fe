using System.Runtime.CompilerServices;

namespace BalancedDiffusion.Training;

/// <summary>
/// The update rules, each stated once: for the numbers of a parameter, those of its gradient and of the two moments.
/// Weight decay that is coupled is added to the gradient, <c>g + decay p</c>; AdamW's shrinks the parameter instead.
/// </summary>
internal readonly struct UpdateRule<T>
    where T : struct, IElementwise<T>
{
    private readonly OptimizerKind kind;
    private readonly bool hasMomentum,
        nesterov;
    private readonly T rate,
        decay,
        shrink,
        momentum,
        keepFirst,
        addFirst,
        keepSecond,
        addSecond,
        epsilon,
        root;

    /// <param name="options">The rule and its constants.</param>
    /// <param name="rate">The learning rate.</param>
    /// <param name="decay">The optimizer's raw weight decay.</param>
    /// <param name="step">Which update it is, from 1, for the corrections of Adam's means.</param>
    public UpdateRule(OptimizerOptions options, double rate, double decay, long step)
    {
        var isAdam = options.Kind is OptimizerKind.Adam or OptimizerKind.AdamW;
        kind = isAdam ? OptimizerKind.Adam : options.Kind;
        (hasMomentum, nesterov) = (options.Momentum > 0, options.Nesterov);
        // p -= rate m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon)
        this.rate = T.All(isAdam ? rate / (1 - Math.Pow(options.Beta1, step)) : rate);
        root = T.All(isAdam ? 1 / Math.Sqrt(1 - Math.Pow(options.Beta2, step)) : 1);
        this.decay = T.All(options.IsDecayCoupled ? decay : 0);
        shrink = T.All(options.IsDecayCoupled ? 1 : 1 - rate * decay);
        momentum = T.All(options.Momentum);
        (keepFirst, addFirst) = (T.All(options.Beta1), T.All(1 - options.Beta1));
        var second = isAdam ? options.Beta2 : options.Alpha;
        (keepSecond, addSecond) = (T.All(second), T.All(1 - second));
        epsilon = T.All(options.Epsilon);
    }

    /// <summary>One update.</summary>
    /// <param name="parameter">p, replaced.</param>
    /// <param name="gradient">g.</param>
    /// <param name="first">Momentum or mean of gradients, replaced; not touched by a rule without.</param>
    /// <param name="second">Mean of squared gradients, replaced; not touched by a rule without.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply(ref T parameter, T gradient, ref T first, ref T second)
    {
        if (kind == OptimizerKind.Adam)
            Adam(ref parameter, gradient, ref first, ref second);
        else if (kind == OptimizerKind.RmsProp)
            RmsProp(ref parameter, gradient, ref first, ref second);
        else
            Sgd(ref parameter, gradient, ref first);
    }

    /// <summary><c>p -= rate g</c>; with momentum <c>b = momentum b + g</c>, then <c>p -= rate b</c>, or <c>p -= rate
    /// (g + momentum b)</c> for Nesterov. With dampening 0 a zero b makes PyTorch's first step, b = g.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Sgd(ref T parameter, T gradient, ref T first)
    {
        var g = gradient + parameter * decay;
        if (hasMomentum)
        {
            first = first * momentum + g;
            g = nesterov ? g + first * momentum : first;
        }
        parameter -= g * rate;
    }

    /// <summary><c>v = alpha v + (1 - alpha) g²; q = g / (sqrt v + epsilon); p -= rate q</c>, or with momentum <c>b =
    /// momentum b + q; p -= rate b</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RmsProp(ref T parameter, T gradient, ref T first, ref T second)
    {
        var g = gradient + parameter * decay;
        second = second * keepSecond + g * g * addSecond;
        var q = g / (T.Root(second) + epsilon);
        if (hasMomentum)
            q = first = q + first * momentum;
        parameter -= q * rate;
    }

    /// <summary><c>m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²; p = shrink p - rate m / (root sqrt v +
    /// epsilon)</c>, with the corrections of both means in rate and root.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Adam(ref T parameter, T gradient, ref T first, ref T second)
    {
        var p = parameter * shrink;
        var g = gradient + p * decay;
        first = first * keepFirst + g * addFirst;
        second = second * keepSecond + g * g * addSecond;
        parameter = p - first * rate / (T.Root(second) * root + epsilon);
    }
}
