using System.Text;

namespace KvShiftScale.Trainer.Telemetry;

/// <summary>
/// What a collector says in its answer about values that it has not taken: <c>partial_success</c> of an ExportMetricsServiceResponse.
/// </summary>
/// <param name="RejectedPoints">How many it has thrown away.</param>
/// <param name="Message">Why; empty where it does not say.</param>
internal readonly record struct PartialSuccess(long RejectedPoints, string Message)
{
    // Numbers of opentelemetry/proto/collector/metrics/v1/metrics_service.proto.
    private const int PartialField = 1;
    private const int RejectedField = 1;
    private const int MessageField = 2;

    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Bytes = 2;
    private const int Fixed32 = 5;

    /// <summary>Reads an answer in protocol buffers; what is none says nothing.</summary>
    public static PartialSuccess Read(ReadOnlySpan<byte> answer)
    {
        var result = default(PartialSuccess);
        while (Next(ref answer, out var field, out _, out var content))
        {
            if (field != PartialField)
            {
                continue;
            }

            while (Next(ref content, out var inner, out var number, out var text))
            {
                result = inner switch
                {
                    RejectedField => result with { RejectedPoints = (long)number },
                    MessageField => result with { Message = Encoding.UTF8.GetString(text) },
                    _ => result,
                };
            }
        }

        return result with { Message = result.Message ?? "" };
    }

    private static bool Next(ref ReadOnlySpan<byte> rest, out int field, out ulong number, out ReadOnlySpan<byte> content)
    {
        (field, number) = (0, 0);
        content = default;
        if (!ReadVarint(ref rest, out var tag))
        {
            return false;
        }

        field = (int)(tag >> 3);
        switch ((int)(tag & 7))
        {
            case Varint:
                return ReadVarint(ref rest, out number);
            case Fixed64:
                return Take(ref rest, sizeof(long), out content);
            case Fixed32:
                return Take(ref rest, sizeof(int), out content);
            case Bytes:
                return ReadVarint(ref rest, out var length) && length <= int.MaxValue && Take(ref rest, (int)length, out content);
            default:
                return false;
        }
    }

    private static bool Take(ref ReadOnlySpan<byte> rest, int count, out ReadOnlySpan<byte> taken)
    {
        taken = rest.Length >= count ? rest[..count] : default;
        var isThere = rest.Length >= count;
        rest = isThere ? rest[count..] : default;
        return isThere;
    }

    private static bool ReadVarint(ref ReadOnlySpan<byte> rest, out ulong value)
    {
        value = 0;
        for (var i = 0; i < rest.Length && i < 10; i++)
        {
            value |= (ulong)(rest[i] & 0x7F) << (7 * i);
            if (rest[i] < 0x80)
            {
                rest = rest[(i + 1)..];
                return true;
            }
        }

        rest = default;
        return false;
    }
}
