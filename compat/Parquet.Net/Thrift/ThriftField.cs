namespace Parquet.Thrift;

internal readonly record struct ThriftField(int Id, ThriftType Type);
