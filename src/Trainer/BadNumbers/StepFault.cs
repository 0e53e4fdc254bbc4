namespace KvShiftScale.Trainer.BadNumbers;

/// <summary>What is wrong with the numbers of a step.</summary>
internal enum StepFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The loss is infinite or not a number.</summary>
    NonFiniteLoss,

    /// <summary>The gradient norm is infinite or not a number, though the loss is finite.</summary>
    NonFiniteGradNorm,

    /// <summary>The loss is a spike by the rule of the run.</summary>
    LossSpike,

    /// <summary>The gradient norm is a spike by the rule of the run.</summary>
    GradNormSpike,
}
