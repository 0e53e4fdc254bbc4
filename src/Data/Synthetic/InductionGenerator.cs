namespace KvShiftScale.Data.Synthetic;

/// <summary>How sequences of the induction task are made (KV shifting paper, section 3.2).</summary>
public enum InductionGenerator
{
    /// <summary>
    /// The paper's generator, repaired: ids are drawn from a handful of candidates, and one that occurred before is followed by what
    /// followed its most recent occurrence. Every such answer carries loss. The printed listing updates successors only now and then, so
    /// that 18 % of its later answers contradict its own rule, and some sequences ask for an answer that does not exist.
    /// </summary>
    Successors,

    /// <summary>The setting of the paper's theory: distinct ids, then one of them again; only what followed it is asked for.</summary>
    SingleRepeat,
}
