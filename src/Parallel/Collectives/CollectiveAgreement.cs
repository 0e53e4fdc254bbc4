using System.Runtime.InteropServices;
using System.Text;

namespace KvShiftScale.Parallel.Collectives;

/// <summary>
/// Compares, before a collective, what all ranks of the group ask for: one all-gather of a record of fixed size, which every rank sends
/// whatever it is about to call, so that ranks that disagree meet here instead of inside MPI.
/// </summary>
internal static class CollectiveAgreement
{
    private const int SiteBytes = 96;

    /// <summary>Returns when all ranks have come and ask for the same. Collective.</summary>
    /// <exception cref="CollectiveMismatchException">They ask for different things; thrown on all of them.</exception>
    public static unsafe void Require(GroupHandle handle, GroupIdentity group, long sequence, in CollectiveCall call)
    {
        var own = RecordOf(sequence, call);
        var all = new Record[group.Members.Count];
        // Whole numbers of 64 bits, which the record is made of.
        fixed (Record* gathered = all)
        {
            CollectivesLibrary.AllGather(handle, CollectiveDataType.Int64, (nint)(&own), (nint)gathered, sizeof(Record) / sizeof(long));
        }

        RequireSame(group, all);
    }

    /// <summary>The same comparison of calls that are all known here, where ranks are simulated.</summary>
    /// <param name="group">The ranks.</param>
    /// <param name="calls">What each of them asks for, and the call's number in the group.</param>
    /// <exception cref="CollectiveMismatchException">They ask for different things.</exception>
    public static void RequireSame(GroupIdentity group, IReadOnlyList<(long Sequence, CollectiveCall Call)> calls)
        => RequireSame(group, [.. calls.Select(call => RecordOf(call.Sequence, call.Call))]);

    private static void RequireSame(GroupIdentity group, Record[] all)
    {
        var first = MemoryMarshal.AsBytes(all.AsSpan(0, 1));
        foreach (ref var other in all.AsSpan())
        {
            if (!MemoryMarshal.AsBytes(new ReadOnlySpan<Record>(in other)).SequenceEqual(first))
            {
                throw new CollectiveMismatchException(Describe(group, all));
            }
        }
    }

    // What most ranks ask for is taken as right; with no majority, what the first does.
    private static string Describe(GroupIdentity group, Record[] all)
    {
        var texts = all.Select(Text).ToArray();
        var common = texts.GroupBy(text => text).MaxBy(same => same.Count())!.Key;
        var lines = group.Members.Select((rank, place) => (rank, text: texts[place])).Where(member => member.text != common)
            .Select(member => FormattableString.Invariant($"rank {member.rank} is at {member.text}"));
        var agreeing = group.Members.Where((_, place) => texts[place] == common);
        return $"ranks of the group {group} have come to different collectives: {string.Join("; ", lines)}; rank {string.Join(", ", agreeing)} at {common}";
    }

    private static Record RecordOf(long sequence, in CollectiveCall call)
    {
        var record = new Record
        {
            Sequence = sequence,
            Operation = (int)call.Operation,
            DataType = call.DataType is { } type ? (int)type : -1,
            Count = call.Count,
            Variant = call.Variant,
            Line = call.Line,
        };
        // The end of a path says more than its beginning.
        var site = Encoding.UTF8.GetBytes(call.Site);
        site.AsSpan(Math.Max(0, site.Length - SiteBytes)).CopyTo(record.Site);
        return record;
    }

    private static string Text(Record record)
    {
        var call = new CollectiveCall((CollectiveOperation)record.Operation, record.DataType < 0 ? null : (CollectiveDataType)record.DataType, record.Count,
            record.Variant, "", record.Line);
        return FormattableString.Invariant($"{call} #{record.Sequence} at {Encoding.UTF8.GetString(record.Site[..]).TrimEnd('\0')}");
    }

    [System.Runtime.CompilerServices.InlineArray(SiteBytes)]
    private struct SiteText
    {
        private byte _first;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 8)]
    private struct Record
    {
        public long Sequence;
        public long Count;
        public int Operation;
        public int DataType;
        public int Variant;
        public int Line;
        public SiteText Site;
    }
}
