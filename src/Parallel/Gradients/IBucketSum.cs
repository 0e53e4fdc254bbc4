namespace KvShiftScale.Parallel.Gradients;

/// <summary>One bucket's gradients on their way to the sum over ranks, as <see cref="ReductionOrder"/> asks for it: nothing of it is a tensor.</summary>
internal interface IBucketSum
{
    /// <summary>Ranks keep their part of the sum only, so that it is taken in every micro-batch.</summary>
    bool IsOfEveryMicroBatch { get; }

    /// <summary>The part of the rank's layers with whose backward its gradients come.</summary>
    int Chunk { get; }

    /// <summary>Every parameter that gets gradients in a backward has had all of this one's.</summary>
    bool IsReady { get; }

    /// <summary>The gradients of the micro-batch belong to the sum.</summary>
    bool IsClosed { get; }

    /// <summary>Counts gradients from zero, and allows them.</summary>
    void BeginMicroBatch();

    /// <summary>Makes room for whole gradients, where there is none between micro-batches.</summary>
    void Open();

    /// <summary>Gives the gradients to the sum. Parameters without one have zeros.</summary>
    void Close();

    /// <summary>Starts the sum beside the caller, or takes it in the caller's time where nothing communicates beside it.</summary>
    void Start();

    /// <summary>Returns when the sum is there.</summary>
    void Wait();

    /// <summary>Takes what is left of the sum: all of it, or this rank's part.</summary>
    void End();
}
