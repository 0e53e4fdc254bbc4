namespace KvShiftScale.Trainer.ModelFiles;

/// <summary>Whose names and keys a model folder has.</summary>
internal enum ModelNaming
{
    /// <summary>Llama's tensor names with <c>k_shift</c> and <c>v_shift</c>, and <c>kv_shift</c> in config.json: what training writes.</summary>
    KvShift,

    /// <summary>Llama's names. Shift tensors may be there; config.json does not speak of them.</summary>
    Llama,

    /// <summary>
    /// Baichuan-M1: <c>W_pack</c> for q, k and v together, <c>conv_k</c> and <c>conv_v</c>, and rows of the head scaled to length 1.
    /// </summary>
    Baichuan,
}
