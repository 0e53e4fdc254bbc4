using KvShiftScale.Core;

namespace KvShiftScale.Trainer.Signals;

/// <summary>What signals have asked of a run.</summary>
[Flags]
internal enum SignalWish
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Save, and go on.</summary>
    Save = 1,

    /// <summary>Save, and end with <see cref="ExitCode.Stopped"/>.</summary>
    Stop = 2,
}
