using KvShiftScale.Core.Files;

namespace KvShiftScale.Trainer.Checkpoints;

/// <summary>One file of a checkpoint as its manifest has it. Checksums are in lower-case hexadecimal digits.</summary>
/// <param name="Name">Path below the checkpoint, with forward slashes.</param>
/// <param name="ByteCount">Length of the file.</param>
/// <param name="Checksum">SHA-256 of the content; where a head is named, <see cref="FileChecksum"/>.</param>
/// <param name="HeadSha256">
/// Of a safetensors file all of whose bytes behind the head are slices of the manifest: SHA-256 of its head. Such a file need not be
/// read apart before it is loaded. Null for others.
/// </param>
public sealed record CheckpointFile(string Name, long ByteCount, string Checksum, string? HeadSha256 = null);
