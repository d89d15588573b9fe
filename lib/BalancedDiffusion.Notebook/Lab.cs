using System.Runtime.InteropServices;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Notebook;

/// <summary>What a notebook works with: what was set from outside, and where it computes.</summary>
public static class Lab
{
    private static LabParameters? parameters;
    private static ComputeDevice? device;
    private static IImageSource? images;
    private static string? notebook;
    private static NativeMemoryWatch? watch;

    /// <summary>Raised by <see cref="Start"/>: what was kept of an earlier notebook is to be forgotten.</summary>
    internal static event Action? Starting;

    /// <summary>Starts a notebook: reads its parameters, registers the formatters, and shows what it runs
    /// with.</summary>
    /// <param name="notebook">The notebook's name without folder and ending, e.g. <c>02-relu-dae</c>; claims are
    /// recorded under it.</param>
    /// <exception cref="ArgumentException">The name is empty or looks like a path, or a parameter has a value that is
    /// not allowed.</exception>
    /// <exception cref="InvalidOperationException">CUDA was demanded and is not to be had.</exception>
    public static void Start(string notebook)
    {
        if (string.IsNullOrWhiteSpace(notebook) || notebook.IndexOfAny(['/', '\\', '"', '\n']) >= 0)
            throw new ArgumentException(
                $"notebook must be a name such as '02-relu-dae', was '{notebook}'",
                nameof(notebook)
            );
        var read = LabParameters.Read();
        var chosen = ComputeDevice.Choose(read.Device);
        Claims.Begin(notebook, read.ClaimsPath);
        Figure.Begin();
        Starting?.Invoke();
        if (images is IDisposable old)
            old.Dispose();
        (Lab.notebook, parameters, device, images) = (notebook, read, chosen, null);
        Formatters.Register();
        HostCulture.UseInvariant();
        CellSafety.Begin();
        watch ??= new NativeMemoryWatch(step: 400_000_000);
        torch.random.manual_seed(read.Seed);
        string[][] rows =
        [
            ["notebook", notebook],
            [
                "profile",
                IsQuick ? "quick (small sizes; BALANCED_DIFFUSION_PROFILE=full for those of the text)" : "full",
            ],
            ["images", read.Images],
            ["device", chosen.Reason],
            ["threads", torch.get_num_threads().ToString()],
            ["seed", read.Seed.ToString()],
            ["versions", Versions()],
        ];
        Output.Show(
            ("text/html", Output.HtmlTable(null, rows.Select(row => row.Select(Output.Escape).ToArray()))),
            ("text/plain", Output.PlainTable(null, rows))
        );
    }

    /// <summary>The notebook's name.</summary>
    public static string Notebook => notebook ?? throw NotStarted();

    /// <summary>How much to compute.</summary>
    public static LabProfile Profile => Parameters.Profile;

    /// <summary>Whether the small sizes are wanted.</summary>
    public static bool IsQuick => Profile == LabProfile.Quick;

    /// <summary>One of two values by the profile, e.g. <c>Lab.Choose(quick: 500, full: 50_000)</c>.</summary>
    public static T Choose<T>(T quick, T full) => IsQuick ? quick : full;

    /// <summary>The seed that every draw of the notebook is derived from.</summary>
    public static long Seed => Parameters.Seed;

    /// <summary>The device to compute on.</summary>
    public static torch.Device Device => (device ?? throw NotStarted()).Device;

    /// <summary>The images to work with; opened at the first use.</summary>
    /// <exception cref="MissingDataException">The data set is not on this machine; the message says how to get
    /// it.</exception>
    public static IImageSource Images =>
        images ??= WithAdvice(() => ImageSources.Open(Parameters.Images, seed: Parameters.Seed));

    /// <summary>The first file or folder of this name in the data folders.</summary>
    /// <param name="relativePath">The path below a data folder.</param>
    /// <exception cref="MissingDataException">There is none; the message says where was looked and how to get
    /// it.</exception>
    public static string Require(string relativePath) => WithAdvice(() => DataFolders.Require(relativePath));

    /// <summary>Adds to the library's sentence how the manifest says that missing data are got.</summary>
    private static T WithAdvice<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch (MissingDataException e) when (e.EntryName is { } entry)
        {
            var howToGet = DataManifest.Load()[entry].HowToGet;
            throw new MissingDataException($"{e.Message.TrimEnd('.')}; to get it: {howToGet}.", e.FileName!, entry);
        }
    }

    /// <summary>A file below the repository's <c>data</c> folder, e.g. <c>tiny/dit-tiny.safetensors</c>. In <c>tiny</c>
    /// lie small networks of random weights that stand in for published ones: what they compute means nothing; how it
    /// is computed is the same.</summary>
    /// <param name="name">The path below <c>data</c>, with slashes.</param>
    /// <exception cref="FileNotFoundException">There is none in the repository that the notebook runs in.</exception>
    public static string DataFile(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        foreach (
            var start in new[] { Directory.GetCurrentDirectory(), Path.GetDirectoryName(typeof(Lab).Assembly.Location) }
        )
            for (
                var folder = string.IsNullOrEmpty(start) ? null : new DirectoryInfo(start);
                folder is not null;
                folder = folder.Parent
            )
                if (Path.Combine([folder.FullName, "data", .. name.Split('/')]) is var path && File.Exists(path))
                    return path;
        throw new FileNotFoundException(
            $"there is no data/{name} in the repository; check the name, or open the notebook inside the repository",
            name
        );
    }

    /// <summary>Trains a model under a progress bar that ends as one line; afterwards its weights no longer record
    /// gradients, so that cells may look at them freely.</summary>
    /// <param name="what">What is trained, shown before the bar.</param>
    /// <param name="model">The model, trained in place.</param>
    /// <param name="data">Clean samples, (n, SampleShape…).</param>
    /// <param name="options">The recipe.</param>
    /// <returns>The history of the training, which the caller owns.</returns>
    /// <exception cref="OperationCanceledException">The cell was stopped; the model keeps the weights it had
    /// then.</exception>
    public static TrainingResult Train<TModel>(string what, TModel model, torch.Tensor data, TrainingOptions options)
        where TModel : torch.nn.Module, IDenoiser
    {
        SafePoint.Pass();
        using var bar = Progress.Training(what);
        foreach (var parameter in model.parameters())
            parameter.requires_grad_(true);
        try
        {
            var stop = SafePoint.Token;
            var result = Trainer.Fit(model, data, options, bar, stop);
            if (!result.Cancelled)
                return result;
            using (result)
                throw new OperationCanceledException(
                    $"the training was stopped after step {result.StepsDone} of {options.Steps}",
                    stop
                );
        }
        finally
        {
            foreach (var parameter in model.parameters())
                parameter.requires_grad_(false);
        }
    }

    internal static LabParameters Parameters => parameters ?? throw NotStarted();

    private static InvalidOperationException NotStarted() =>
        new("the notebook has not been started; call Lab.Start(\"its-name\") in the first cell");

    private static string Versions()
    {
        static string VersionOf(Type type) => type.Assembly.GetName().Version?.ToString(3) ?? "?";
        return $"TorchSharp {VersionOf(typeof(torch))}, libtorch {torch.__version__}, Plotly.NET "
            + $"{VersionOf(typeof(Plotly.NET.GenericChart))}, "
            + $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}";
    }
}
