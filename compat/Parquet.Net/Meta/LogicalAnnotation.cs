namespace Parquet.Meta;

/// <summary>What stored values stand for, in the newer notation; width and sign belong to <see cref="LogicalKind.Integer"/>.</summary>
internal readonly record struct LogicalAnnotation(LogicalKind Kind, int BitWidth = 0, bool IsSigned = false);
