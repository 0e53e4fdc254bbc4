namespace MPI;

/// <summary>Combines two values of a reduction. Has to be associative.</summary>
public delegate T ReductionOperation<T>(T x, T y);
