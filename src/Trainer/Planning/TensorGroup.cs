namespace KvShiftScale.Trainer.Planning;

/// <summary>Tensors of one kind and shape.</summary>
/// <param name="Name">Names in a layer or in the model, as in checkpoints.</param>
/// <param name="Layers">Which layers have them; empty for what stands outside of layers.</param>
/// <param name="Count">How many.</param>
/// <param name="Shape">Shape of each.</param>
internal sealed record TensorGroup(string Name, string Layers, int Count, params long[] Shape)
{
    /// <summary>Parameters of all of them.</summary>
    public long Parameters => Shape.Aggregate((long)Count, (product, extent) => product * extent);
}
