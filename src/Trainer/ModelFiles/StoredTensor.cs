namespace KvShiftScale.Trainer.ModelFiles;

/// <summary>A tensor of a file and the parameters that it holds, one after the other along its first axis.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Shape">Shape in the file.</param>
/// <param name="Parts">Names of the model's parameters; one, unless the naming packs several into one tensor.</param>
internal sealed record StoredTensor(string Name, IReadOnlyList<long> Shape, IReadOnlyList<string> Parts);
