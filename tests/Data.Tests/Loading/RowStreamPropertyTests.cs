using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using KvShiftScale.Core.Numbers;
using KvShiftScale.Data.Configuration;
using KvShiftScale.Data.Files;
using KvShiftScale.Data.Loading;
using KvShiftScale.Data.Shards;
using KvShiftScale.Data.Tests.Shards;

namespace KvShiftScale.Data.Tests.Loading;

/// <summary>What holds of an epoch's rows for any lengths of documents, row groups, contexts and windows.</summary>
public sealed class RowStreamPropertyTests
{
    private const int Vocabulary = 1 << 20;

    // The same cases every time, so that a failure belongs to a change; others with another number in KVSHIFT_PROPERTY_SEED.
    private static readonly Config Repeatable = Config.QuickThrowOnFailure.WithReplay(
        ulong.Parse(Environment.GetEnvironmentVariable("KVSHIFT_PROPERTY_SEED") ?? "20261121", CultureInfo.InvariantCulture), gamma: 1);

    private static readonly Config Cases = Repeatable.WithMaxTest(60);

    // Mostly short documents, some empty, some longer than everything else.
    private static readonly Gen<Case> AnyCase =
        from lengths in Gen.Frequency((6, Gen.Choose(0, 12)), (2, Gen.Choose(0, 60)), (1, Gen.Choose(100, 300))).NonEmptyListOf()
        from context in Gen.Choose(1, 40)
        from rowGroupTokens in Gen.Choose(1, 120)
        from window in Gen.Choose(1, 5)
        from threads in Gen.Choose(1, 3)
        from epoch in Gen.Choose(0, 3)
        from key in Gen.Choose(0, int.MaxValue)
        from order in Gen.Elements(RowOrder.Shuffled, RowOrder.Sequential)
        where lengths.Sum() > context + 1 && lengths.Any(length => length > 1)
        select new Case([.. lengths], context, rowGroupTokens, window, threads, epoch, (ulong)key, order);

    [Fact]
    public void ConcatenatedEpochIsItsDocumentsInSomeOrderCutIntoRows() => Check.One(Cases, Prop.ForAll(AnyCase.ToArbitrary(), given =>
    {
        using var folder = new ShardFolder();
        var rows = InSequence(given, given.ReadEpoch(given.Write(folder), Packing.Concatenate));
        Assert.All(rows, row => Assert.Equal(given.Context + 1, row.Tokens.Length));

        // Neighbours share a token: without the first of each row but the first one, the rows are the stream of tokens.
        int[] stream = [.. rows[0].Tokens, .. rows.Skip(1).SelectMany(row => row.Tokens[1..])];
        Assert.All(rows.Skip(1).Zip(rows), pair => Assert.Equal(pair.Second.Tokens[^1], pair.First.Tokens[0]));
        var total = given.Lengths.Sum();
        Assert.Equal((total - 1) / given.Context * given.Context + 1, stream.Length);
        Assert.Equal(stream.Length, stream.Distinct().Count());

        // The stream is whole documents, each from its first token on; only the last one may be cut.
        for (var at = 0; at < stream.Length;)
        {
            var (document, first) = given.PlaceOf(stream[at]);
            Assert.Equal(0, first);
            var count = Math.Min(given.Lengths[document], stream.Length - at);
            Assert.Equal(Enumerable.Range(stream[at], count), stream.AsSpan(at, count).ToArray());
            at += count;
        }

        // Document starts are told wherever one is, except at the start of a row.
        foreach (var row in rows)
        {
            var starts = Enumerable.Range(1, given.Context).Where(i => given.PlaceOf(row.Tokens[i]).Token == 0);
            Assert.Equal(starts, row.Starts);
        }
    }));

    [Fact]
    public void PaddedEpochHasEveryTargetOnce() => Check.One(Cases, Prop.ForAll(AnyCase.ToArbitrary(), given =>
    {
        using var folder = new ShardFolder();
        var rows = InSequence(given, given.ReadEpoch(given.Write(folder), Packing.Pad));

        Assert.Equal(given.Lengths.Sum(length => (Math.Max(length - 1, 0) + given.Context - 1) / given.Context), rows.Length);
        var targets = new List<int>();
        foreach (var (row, before) in rows.Zip(rows.Prepend(new Row([], []))))
        {
            Assert.Empty(row.Starts);
            Assert.InRange(row.Tokens.Length, 2, given.Context + 1);
            Assert.Equal(Enumerable.Range(row.Tokens[0], row.Tokens.Length), row.Tokens);
            var (document, token) = given.PlaceOf(row.Tokens[0]);
            Assert.Equal(document, given.PlaceOf(row.Tokens[^1]).Document);

            // A row begins a document, or goes on where the row before it has ended.
            Assert.True(token == 0 || before.Tokens[^1] == row.Tokens[0]);
            targets.AddRange(row.Tokens[1..]);
        }

        var expected = given.Lengths.SelectMany((length, document) => Enumerable.Range(given.FirstId(document), length).Skip(1));
        Assert.Equal(expected, targets.Order());
    }));

    [Fact]
    public void EveryRowIsFoundFromAnywhere() => Check.One(Cases.WithMaxTest(20), Prop.ForAll(AnyCase.ToArbitrary(), Gen.Choose(0, int.MaxValue).ToArbitrary(), (given, start) =>
    {
        using var folder = new ShardFolder();
        var catalog = given.Write(folder);
        foreach (var packing in (Packing[])[Packing.Concatenate, Packing.Pad])
        {
            var rows = given.ReadEpoch(catalog, packing);
            var row = start % rows.Length;
            var found = given.ReadFrom(catalog, packing, row, 3);
            Assert.Equal(rows.Skip(row).Take(3).Select(content => content.Tokens), found.Take(rows.Length - row).Select(content => content.Tokens));
        }
    }));

    [Fact]
    public void MixedRowsOfAWindowAreTheSequentialOnesAndAWindowComesAfterTheOther() => Check.One(Cases, Prop.ForAll(AnyCase.ToArbitrary(), given =>
    {
        // With all row groups in a window of their own, or all in one, both orders have the same windows.
        foreach (var window in (int[])[1, 1000])
        {
            using var folder = new ShardFolder();
            var same = given with { Window = window };
            var catalog = same.Write(folder);
            foreach (var packing in (Packing[])[Packing.Concatenate, Packing.Pad])
            {
                var sequential = (same with { Order = RowOrder.Sequential }).ReadEpoch(catalog, packing).Select(Name).ToArray();
                var mixed = (same with { Order = RowOrder.Shuffled }).ReadEpoch(catalog, packing).Select(Name).ToArray();

                Assert.Equal(sequential.Order(), mixed.Order());
                if (window == 1)
                {
                    // The window of a row is that of its first token.
                    Assert.Equal(sequential.Select(GroupOf), mixed.Select(GroupOf));
                }
            }

            int GroupOf(string row)
            {
                var id = int.Parse(row.Split(' ')[0], CultureInfo.InvariantCulture);
                return catalog.Sources[0].Shards.SelectMany(shard => shard.RowGroups)
                    .Aggregate((Group: -1, Id: id), (at, group) => at.Id < 0 ? at : (at.Group + 1, at.Id - group.Tokens)).Group;
            }
        }

        static string Name(Row row) => string.Join(' ', row.Tokens);
    }));

    [Fact]
    public void PermutationHasEveryNumberOnce() => Check.One(Repeatable, Prop.ForAll(
        Gen.Choose(0, 5000).ToArbitrary(), Gen.Choose(0, int.MaxValue).ToArbitrary(), (count, key) =>
        {
            var order = new int[count];
            CounterRandom.Permute(order, (ulong)key);
            Assert.Equal(Enumerable.Range(0, count), order.Order());
        }));

    // Mixed rows in the order of the stream that they were cut from: one begins with the last token of the one before, or with a document.
    private static Row[] InSequence(Case given, Row[] rows)
    {
        if (given.Order == RowOrder.Sequential)
        {
            return rows;
        }

        var byFirst = rows.ToDictionary(row => row.Tokens[0]);
        var lasts = rows.Select(row => row.Tokens[^1]).ToHashSet();
        var chains = rows.Where(row => !lasts.Contains(row.Tokens[0])).SelectMany(Chain).ToArray();
        Assert.Equal(rows.Length, chains.Length);
        return chains;

        IEnumerable<Row> Chain(Row row)
        {
            for (var next = row; next is not null; next = byFirst.GetValueOrDefault(next.Tokens[^1]))
            {
                yield return next;
            }
        }
    }

    /// <summary>A row: its ids and where documents begin in it.</summary>
    public sealed record Row(int[] Tokens, int[] Starts);

    /// <summary>Documents whose ids count up through all of them, and how to read them.</summary>
    public sealed record Case(int[] Lengths, int Context, int RowGroupTokens, int Window, int Threads, int Epoch, ulong Key, RowOrder Order)
    {
        public int FirstId(int document) => Lengths.Take(document).Sum();

        public (int Document, int Token) PlaceOf(int id)
        {
            var document = 0;
            for (; id >= Lengths[document]; document++)
            {
                id -= Lengths[document];
            }

            return (document, id);
        }

        /// <summary>Two files, of which each has half of the documents.</summary>
        public ShardCatalog Write(ShardFolder folder)
        {
            var documents = ShardFolder.Consecutive(0, Lengths);
            var half = documents.Length / 2;
            folder.Write("a.parquet", documents[..half], options: ShardFolder.Options(Vocabulary, RowGroupTokens));
            folder.Write("b.parquet", documents[half..], options: ShardFolder.Options(Vocabulary, RowGroupTokens));
            return ShardCatalog.Open([new DataSource(folder.Glob)], new CountingOptions { PaddedContext = Context });
        }

        public Row[] ReadEpoch(ShardCatalog catalog, Packing packing) => ReadFrom(catalog, packing, 0, RowsPerEpoch(packing));

        /// <summary>Rows of the epoch from one of them on, by a reader of its own.</summary>
        public Row[] ReadFrom(ShardCatalog catalog, Packing packing, int row, int count)
        {
            using var readers = new RowGroupReaders(Threads, Vocabulary, new ReadAccess());
            var stream = new RowStream(catalog.Sources[0],
                new DataConfig { Context = Context, Packing = packing, ShuffleRowGroups = Window, RowOrder = Order }, Key, readers);
            var rows = new Row[count];
            for (var i = 0; i < count; i++)
            {
                var (tokens, starts) = (new int[Context + 1], new int[Context]);
                var content = stream.Read((long)Epoch * RowsPerEpoch(packing) + row + i, tokens, starts);
                rows[i] = new Row(tokens[..content.Tokens], starts[..content.DocumentStarts]);
            }

            return rows;
        }

        public override string ToString()
            => $"lengths {string.Join(' ', Lengths)}; context {Context}, row groups of {RowGroupTokens}, window {Window}, epoch {Epoch}, key {Key}, {Order}";

        private int RowsPerEpoch(Packing packing) => packing == Packing.Pad
            ? Lengths.Sum(length => DocumentLengths.PaddedRows(length, Context))
            : (Lengths.Sum() - 1) / Context;
    }
}
