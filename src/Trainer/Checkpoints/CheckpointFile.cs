namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>One file of a checkpoint as its manifest has it.</summary>
/// <param name="Name">Path below the checkpoint, with forward slashes.</param>
/// <param name="ByteCount">Length of the file.</param>
/// <param name="Sha256">Checksum of the content, in lower-case hexadecimal digits.</param>
public sealed record CheckpointFile(string Name, long ByteCount, string Sha256);
