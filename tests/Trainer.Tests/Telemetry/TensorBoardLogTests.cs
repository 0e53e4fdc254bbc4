using Google.Protobuf;
using KvShiftScale.Testing;
using KvShiftScale.Trainer.Telemetry;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>Event files, read by their public format: records of a length, a checksum, a message and a checksum.</summary>
public sealed class TensorBoardLogTests
{
    private readonly List<string> _warnings = [];

    [Fact]
    public void EveryNumberOfAStepIsAScalarOfThatStep()
    {
        using var folder = new TemporaryFolder();
        var log = new TensorBoardLog(folder.PathOf("tensorboard"), _warnings.Add);
        log.Add(StepRecords.At(10, validationLoss: 4.75));
        log.Add(StepRecords.At(20));

        var scalars = Scalars(Assert.Single(Directory.GetFiles(folder.PathOf("tensorboard"))));

        Assert.Equal(10f / 11, scalars[("loss", 10)], 1e-6);
        Assert.Equal(10f / 21, scalars[("loss", 20)], 1e-6);
        Assert.Equal(4.75f, scalars[("validation_loss", 10)]);
        Assert.Equal(2e-4f, scalars[("lr", 20)]);
        Assert.DoesNotContain(("validation_loss", 20), scalars.Keys);
        Assert.DoesNotContain(("step", 20), scalars.Keys);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void ADiskThatRefusesIsToldOnce()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("tensorboard"), "a file");
        var log = new TensorBoardLog(folder.PathOf("tensorboard"), _warnings.Add);

        log.Add(StepRecords.At(10));
        log.Add(StepRecords.At(20));

        Assert.Contains("no longer written", Assert.Single(_warnings));
    }

    // Event: 2 step, 5 summary; summary: 1 values; value: 1 tag, 2 float.
    private static Dictionary<(string Tag, long Step), float> Scalars(string path)
    {
        var scalars = new Dictionary<(string Tag, long Step), float>();
        using var file = new BinaryReader(File.OpenRead(path));
        while (file.BaseStream.Position < file.BaseStream.Length)
        {
            var length = (int)file.ReadUInt64();
            file.ReadUInt32();
            var message = new ProtobufMessage(ByteString.CopyFrom(file.ReadBytes(length)));
            file.ReadUInt32();
            if (!message.Has(5))
            {
                continue;
            }

            foreach (var value in message.Messages(5).SelectMany(summary => summary.Messages(1)))
            {
                scalars.Add((value.Text(1), (long)message.Number(2)), BitConverter.UInt32BitsToSingle((uint)value.Number(2)));
            }
        }

        return scalars;
    }
}
