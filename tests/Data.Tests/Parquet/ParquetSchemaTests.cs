using Parquet;
using Parquet.Schema;

namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>Paths and levels of schemas made by hand, and what reading asks of the caller.</summary>
public sealed class ParquetSchemaTests
{
    [Fact]
    public void A_list_gives_its_element_path_and_levels()
    {
        var required = new DataField<int>("element", nullable: false);
        var optional = new DataField<int>("element", nullable: true);
        var bare = new DataField<int[]>("ids");
        var schema = new ParquetSchema(new ListField("a", required), new ListField("b", optional, "bag"), bare);

        Assert.Equal("a/list/element", required.Path.ToString());
        Assert.Equal((2, 1), (required.MaxDefinitionLevel, required.MaxRepetitionLevel));
        Assert.Equal("b/bag/element", optional.Path.ToString());
        Assert.Equal((3, 1), (optional.MaxDefinitionLevel, optional.MaxRepetitionLevel));
        Assert.True(bare.IsArray);
        Assert.Equal((1, 1), (bare.MaxDefinitionLevel, bare.MaxRepetitionLevel));
        Assert.Equal([required, optional, bare], schema.DataFields);
        Assert.Same(optional, schema.FindDataField(new FieldPath("b", "bag", "element")));
        Assert.Throws<ArgumentException>(() => schema.FindDataField("b/bag/element"));
    }

    [Fact]
    public void Text_is_nullable_by_default_and_numbers_are_not()
    {
        Assert.True(new DataField<string>("id").IsNullable);
        Assert.False(new DataField<string>("id", nullable: false).IsNullable);
        Assert.False(new DataField<int>("length").IsNullable);
        Assert.True(new DataField<int?>("length").IsNullable);
        Assert.Equal(typeof(ReadOnlyMemory<char>), new DataField<string>("id").ClrType);
        Assert.Throws<NotSupportedException>(() => new DataField<Guid>("key"));
    }

    [Fact]
    public async Task A_list_read_from_a_file_is_a_list_field()
    {
        await using var reader = await ParquetReader.CreateAsync(ForeignFile.PathOf("duckdb-v1-snappy"));
        Assert.Equal([SchemaType.Data, SchemaType.Data, SchemaType.List], reader.Schema.Fields.Select(field => field.SchemaType));
        var list = Assert.IsType<ListField>(reader.Schema.Fields[2]);
        Assert.Equal("input_ids/list/element", list.Item.Path.ToString());
        Assert.Equal((3, 1), (list.Item.MaxDefinitionLevel, list.Item.MaxRepetitionLevel));
    }

    [Fact]
    public async Task A_two_level_list_has_a_repeated_item()
    {
        await using var reader = await ParquetReader.CreateAsync(ForeignFile.PathOf("hyparquet-twolevel-snappy"));
        var item = Assert.IsType<DataField>(Assert.IsType<ListField>(reader.Schema.Fields[0]).Item, exactMatch: false);
        Assert.True(item.IsArray);
        Assert.Equal("input_ids/array", item.Path.ToString());
        Assert.Equal((2, 1), (item.MaxDefinitionLevel, item.MaxRepetitionLevel));
    }

    [Fact]
    public async Task Reading_wants_the_column_its_exact_type_and_room()
    {
        await using var reader = await ParquetReader.CreateAsync(ForeignFile.PathOf("duckdb-v1-snappy"));
        using var group = reader.OpenRowGroupReader(0);
        var field = TokenColumn.Find(reader);
        var (room, tooLittle) = (new int[1667], new int[1666]);

        Assert.True(group.ColumnExists(field));
        Assert.False(group.ColumnExists(new DataField<int>("labels")));
        Assert.Null(group.GetMetadata(new DataField<int>("labels")));
        var missing = await Assert.ThrowsAsync<ParquetException>(
            async () => await group.ReadAsync<int>(new DataField<int>("labels"), room.AsMemory()));
        Assert.Contains("duckdb-v1-snappy.parquet: row group 0, column labels", missing.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.ReadRawAsync<long>(field, new long[1667], room, room));
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.ReadRawAsync<int>(field, tooLittle, room, room));
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.ReadRawAsync<int>(field, room, tooLittle, room));
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.ReadRawAsync<int>(field, room, room, null));
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.ReadAsync<int>(field, room.AsMemory()));
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.ReadAsync<int>(field, new int?[1667].AsMemory()));
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.ReadAsync(field, new string?[1667]));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.OpenRowGroupReader(1));
    }
}
