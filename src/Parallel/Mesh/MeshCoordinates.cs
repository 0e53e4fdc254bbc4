namespace KvShiftScale.Parallel.Mesh;

/// <summary>Place of a rank in the mesh.</summary>
/// <param name="Data">Which share of the samples the rank computes.</param>
/// <param name="Context">Which part of each sequence.</param>
/// <param name="Tensor">Which part of the model it holds.</param>
public readonly record struct MeshCoordinates(int Data, int Context, int Tensor);
