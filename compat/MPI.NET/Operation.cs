using System.Linq.Expressions;

namespace MPI;

/// <summary>The reductions that MPI knows, for values of <typeparamref name="T"/>.</summary>
/// <remarks>
/// A reduction with one of these delegates runs inside MPI where MPI has the type. Any other delegate, a lambda of the same
/// meaning included, gathers the values and combines them here, in the order of the ranks.
/// </remarks>
public class Operation<T>
{
    static readonly Lazy<ReductionOperation<T>> _add = new(() => Compile(Expression.Add));
    static readonly Lazy<ReductionOperation<T>> _max =
        new(() => Compile((x, y) => Expression.Condition(Expression.GreaterThan(x, y), x, y)));
    static readonly Lazy<ReductionOperation<T>> _min =
        new(() => Compile((x, y) => Expression.Condition(Expression.LessThan(x, y), x, y)));

    Operation()
    {
    }

    /// <summary>The smaller value.</summary>
    public static ReductionOperation<T> Min => _min.Value;

    /// <summary>The larger value.</summary>
    public static ReductionOperation<T> Max => _max.Value;

    /// <summary>The sum.</summary>
    public static ReductionOperation<T> Add => _add.Value;

    // The operators of T; one-byte integers have none of their own and are combined as int.
    static ReductionOperation<T> Compile(Func<Expression, Expression, Expression> combine)
    {
        var x = Expression.Parameter(typeof(T), "x");
        var y = Expression.Parameter(typeof(T), "y");
        var body = typeof(T) == typeof(byte) || typeof(T) == typeof(sbyte)
            ? Expression.Convert(combine(Expression.Convert(x, typeof(int)), Expression.Convert(y, typeof(int))), typeof(T))
            : combine(x, y);
        return Expression.Lambda<ReductionOperation<T>>(body, x, y).Compile();
    }
}
