using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Experiments;

/// <summary>Where an experiment's runs and results go.</summary>
internal static class ExperimentFolder
{
    /// <summary>What <c>--new</c> asks for.</summary>
    /// <exception cref="UsageException">The folder exists.</exception>
    public static void RequireNew(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return;
        }

        throw new UsageException(
            $"found folder {folder}; --new wants one that does not exist yet. Choose another --output, or leave --new out to go on");
    }
}
