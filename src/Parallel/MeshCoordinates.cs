namespace KvShiftScale.Parallel;

/// <summary>Place of a rank in the mesh.</summary>
/// <param name="Data">Which replica of the model the rank belongs to.</param>
/// <param name="Tensor">Which part of that replica it holds.</param>
public readonly record struct MeshCoordinates(int Data, int Tensor);
