namespace Parquet.Schema;

/// <summary>A leaf whose type is known at compile time.</summary>
public class DataField<T> : DataField
{
    /// <param name="nullable">When null: what <typeparamref name="T"/> says, and true for string.</param>
    public DataField(string name, bool? nullable = null)
        : base(name, typeof(T), nullable)
    {
    }
}
