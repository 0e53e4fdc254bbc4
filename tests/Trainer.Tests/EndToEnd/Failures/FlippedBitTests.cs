using System.Buffers.Binary;
using System.Text.Json;
using System.Text.RegularExpressions;
using KvShiftScale.Checkpoints.Verification;
using KvShiftScale.Core;
using KvShiftScale.Testing;

namespace KvShiftScale.Trainer.Tests.EndToEnd.Failures;

[Collection(nameof(EndToEndGroup))]
public sealed class FlippedBitTests(TrainingFixture fixture)
{
    private const int Flips = 200;

    [Fact]
    public void EveryFlippedBitIsFoundAndFileAndTensorAreNamed()
    {
        var checkpoint = fixture.TwoRanks.CopyTo(fixture.RunOf("flipped").Path).Checkpoint(TrainingFixture.Steps);
        Assert.Empty(CheckpointVerification.Run(checkpoint));
        var files = Directory.GetFiles(checkpoint).Order(StringComparer.Ordinal).Select(path => (Path: path, Bytes: File.ReadAllBytes(path))).ToList();
        var random = new Random(11);
        var (inTensors, inManifest) = (0, 0);
        for (var flip = 0; flip < Flips; flip++)
        {
            // Half of them anywhere, half in a file drawn first, so that small files have some too.
            var place = random.NextInt64(files.Sum(file => (long)file.Bytes.Length));
            var (path, bytes) = flip % 2 == 0 ? files[random.Next(files.Count)] : files.First(file => (place -= file.Bytes.Length) < 0);
            var (offset, bit) = (random.Next(bytes.Length), random.Next(8));
            Flip();

            var fault = Assert.Single(CheckpointVerification.Run(checkpoint));

            Assert.Equal(Path.GetFileName(path), fault.File);
            // In a header the flipped bit may be a letter of a name; that tensor is then named.
            if (!IsInHeader(bytes, path, offset))
            {
                Assert.Equal(TensorAt(bytes, path, offset), fault.Tensor);
            }

            if (fault.Tensor is not null)
            {
                inTensors++;
            }

            if (fault.File == "manifest.json")
            {
                inManifest++;
            }

            Flip();

            void Flip()
            {
                bytes[offset] ^= (byte)(1 << bit);
                using var stream = File.OpenWrite(path);
                stream.Position = offset;
                stream.WriteByte(bytes[offset]);
            }
        }
        Assert.Empty(CheckpointVerification.Run(checkpoint));
        Assert.InRange(inTensors, Flips / 3, Flips);
        Assert.InRange(inManifest, 5, Flips);
    }

    [Fact]
    public void TheVerbNamesThemAndFails()
    {
        var run = fixture.TwoRanks.CopyTo(fixture.RunOf("flipped-verb").Path);
        var path = Path.Combine(run.Checkpoint(16), "rank-00001.safetensors");
        var bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);

        using var verify = ProgramRun.Execute(ExitCode.Failed, "checkpoint", "verify", run.Path);

        Assert.Contains($"{run.Checkpoint(20)}: good", verify.Output);
        Assert.Contains($"{run.Checkpoint(16)}: rank-00001.safetensors: tensor 'exp_avg_sq.lm_head.weight' is changed in 'exp_avg_sq.lm_head.weight'", verify.Output);
    }

    // In the file of a rank that is not the one which looks for checkpoints.
    [Fact]
    public void TwoRanksGoOnFromTheCheckpointBeforeToTheBitsOfAnUnbrokenRun()
    {
        const string Setting = "run.deterministic=true";
        var unbroken = fixture.TrainOnTwoRanks("unbroken-on-two", Setting);
        var run = unbroken.CopyTo(fixture.RunOf("flipped-on-two").Path);
        var path = Path.Combine(run.Checkpoint(TrainingFixture.Steps), "rank-00001.safetensors");
        var bytes = File.ReadAllBytes(path);
        var place = DataStartOf(bytes) + (bytes.Length - DataStartOf(bytes)) / 3;
        bytes[place] ^= 1;
        File.WriteAllBytes(path, bytes);

        var output = MpiRun.Execute(2, ProgramRun.KvShift, fixture.TrainArguments("flipped-on-two", Setting));

        Assert.Matches($@"checkpoint rejected: {run.Checkpoint(TrainingFixture.Steps)}: rank-00001\.safetensors: "
            + $"tensor '{Regex.Escape(TensorAt(bytes, path, place)!)}' is changed", output);
        Assert.Single(Regex.Matches(output, "checkpoint rejected"));
        Assert.Contains("going on from the checkpoint of step 16", output);
        run.AssertSameCurve(unbroken, 0);
        Assert.Equal(unbroken.Tensors(TrainingFixture.Steps), run.Tensors(TrainingFixture.Steps));
    }

    private static int DataStartOf(byte[] file) => 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);

    private static bool IsInHeader(byte[] bytes, string path, int offset)
        => path.EndsWith(".safetensors", StringComparison.Ordinal) && (offset < 8 || offset < DataStartOf(bytes));

    // The tensor whose bytes have a place behind the header; null in another file. The name of a part ends in @ and its first element.
    private static string? TensorAt(byte[] bytes, string path, int offset)
    {
        if (!path.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            return null;
        }

        var dataStart = DataStartOf(bytes);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, dataStart - 8));
        return header.RootElement.EnumerateObject()
            .First(tensor => tensor.Value.GetProperty("data_offsets")[1].GetInt64() > offset - dataStart).Name.Split('@')[0];
    }
}
