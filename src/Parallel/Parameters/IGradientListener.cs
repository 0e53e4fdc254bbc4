namespace KvShiftScale.Parallel.Parameters;

/// <summary>Learns of every gradient that a parameter gets, on the thread that runs backward.</summary>
internal interface IGradientListener
{
    /// <summary>A gradient is about to be written.</summary>
    void GradientComes();

    /// <summary>A gradient was written.</summary>
    void GradientCame();
}
