using static TorchSharp.torch;

namespace KvShiftScale.Parallel.Kernels;

/// <summary>
/// What a model and its optimizer have computed: a set of kernels for one element type and one kind of memory, chosen when the model is
/// made. Tensors are contiguous. Parameters and activations are of <see cref="DataType"/>; gradients of parameters, logits and the
/// optimizer's state of the gradients' type, which is float32 where that is wider, but for the gradient of the shift, which is of <see cref="DataType"/>; ids, targets and positions int32; sums float64 scalars.
/// </summary>
public interface IKernels
{
    /// <summary>A target that carries no loss.</summary>
    const int IgnoredTarget = -100;

    /// <summary>Element type of parameters and activations.</summary>
    ScalarType DataType { get; }

    /// <summary>op(left) op(right), [m, k] x [k, n].</summary>
    Tensor Matmul(Tensor left, bool transposeLeft, Tensor right, bool transposeRight);

    /// <summary>
    /// destination = beta * destination + op(left) op(right); beta 0 does not read the destination, which may be of a wider type.
    /// </summary>
    void MatmulInto(Tensor destination, double beta, Tensor left, bool transposeLeft, Tensor right, bool transposeRight);

    /// <summary>gradient[ids[r]] += outputGradient[r]; ids [rows], outputGradient [rows, columns], gradient [vocabulary, columns].</summary>
    void EmbeddingBackward(Tensor ids, Tensor outputGradient, Tensor gradient);

    /// <summary>Sum = residual + x, or x where there is no residual; Normalised = Sum / rms * weight with rms = sqrt(mean(Sum^2) + epsilon).</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="residual">As x; null: none.</param>
    /// <param name="weight">[columns].</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <returns>Both [rows, columns], and 1 / rms of each row.</returns>
    (Tensor Sum, Tensor Normalised, Tensor InverseRms) RmsNorm(Tensor x, Tensor? residual, Tensor weight, double epsilon);

    /// <summary>Gradients of the sum and, in the gradients' type, of the weight.</summary>
    /// <param name="sum">What <see cref="RmsNorm"/> returned.</param>
    /// <param name="weight">[columns].</param>
    /// <param name="inverseRms">What <see cref="RmsNorm"/> returned.</param>
    /// <param name="dnormalised">[rows, columns].</param>
    /// <param name="dsum">The gradient that reaches the sum by its other use; null: it has none.</param>
    (Tensor Sum, Tensor Weight) RmsNormBackward(Tensor sum, Tensor weight, Tensor inverseRms, Tensor dnormalised, Tensor? dsum);

    /// <summary>
    /// mixed_t = the sum over taps j of weights [h, taps - 1 - j] x_(t-j), where nothing lies before a document's first token, then the
    /// rotation by the token's position.
    /// </summary>
    /// <param name="x">[batch * tokens, heads * head_size].</param>
    /// <param name="heads">Heads in x.</param>
    /// <param name="weights">[heads, taps], the last column for the current token; null: no shift.</param>
    /// <param name="rotary">null: no rotation.</param>
    /// <param name="rows">Rows, tokens and documents.</param>
    Tensor ShiftRotate(Tensor x, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows);

    /// <summary>Gradients of x and weights; none of these where there are none.</summary>
    /// <param name="x">As in <see cref="ShiftRotate"/>; not needed without a shift.</param>
    /// <param name="dy">[batch * tokens, heads * head_size].</param>
    /// <param name="heads">As in <see cref="ShiftRotate"/>.</param>
    /// <param name="weights">As in <see cref="ShiftRotate"/>.</param>
    /// <param name="rotary">As in <see cref="ShiftRotate"/>.</param>
    /// <param name="rows">As in <see cref="ShiftRotate"/>.</param>
    (Tensor X, Tensor? Weights) ShiftRotateBackward(Tensor? x, Tensor dy, int heads, Tensor? weights, RotaryTable? rotary, PackedRows rows);

    /// <summary>Causal softmax attention inside documents, with grouped queries and over a window of keys.</summary>
    /// <param name="query">[batch * own tokens, heads * head_size].</param>
    /// <param name="key">[batch * tokens, kv_heads * head_size].</param>
    /// <param name="value">As the key.</param>
    /// <param name="shape">Heads, kv heads, which divide them, head size and window.</param>
    /// <param name="rows">Rows, tokens and documents.</param>
    AttentionResult Attention(Tensor query, Tensor key, Tensor value, AttentionShape shape, PackedRows rows);

    /// <summary>Gradients of query, key and value.</summary>
    /// <param name="query">As in <see cref="Attention"/>.</param>
    /// <param name="key">As in <see cref="Attention"/>.</param>
    /// <param name="value">As in <see cref="Attention"/>.</param>
    /// <param name="forBackward">What <see cref="Attention"/> left.</param>
    /// <param name="doutput">[batch * own tokens, heads * head_size].</param>
    /// <param name="shape">As in <see cref="Attention"/>.</param>
    /// <param name="rows">As in <see cref="Attention"/>.</param>
    (Tensor Query, Tensor Key, Tensor Value) AttentionBackward(Tensor query, Tensor key, Tensor value, IReadOnlyList<Tensor> forBackward,
        Tensor doutput, AttentionShape shape, PackedRows rows);

    /// <summary>silu(gate) * up, elementwise.</summary>
    Tensor SwiGlu(Tensor gate, Tensor up);

    /// <summary>Gradients of gate and up.</summary>
    (Tensor Gate, Tensor Up) SwiGluBackward(Tensor gate, Tensor up, Tensor dy);

    /// <summary>Adds -log softmax(logits)[target] of all rows that have a target to a sum.</summary>
    /// <param name="logits">[rows, vocabulary]; overwritten with the gradient of the sum, zeros where there is no target.</param>
    /// <param name="targets">[rows]; <see cref="IgnoredTarget"/> where there is none.</param>
    /// <param name="withGradient">False leaves no meaning in <paramref name="logits"/>.</param>
    /// <param name="lossSum">The sum.</param>
    void CrossEntropy(Tensor logits, Tensor targets, bool withGradient, Tensor lossSum);

    /// <summary>What a part of the columns contributes to the softmax of rows.</summary>
    /// <param name="logits">[rows, columns]; overwritten with exp(logit - largest of these columns).</param>
    /// <param name="targets">[rows]; <see cref="IgnoredTarget"/>, the only negative one, where there is none.</param>
    /// <param name="firstId">Id of the first column.</param>
    /// <returns>
    /// [3, rows]: the largest logit, -infinity without columns; the sum of the exponentials; and the logit of the target, 0 where it is not
    /// among the columns.
    /// </returns>
    Tensor CrossEntropyPart(Tensor logits, Tensor targets, long firstId);

    /// <summary>
    /// Turns what <see cref="CrossEntropyPart"/> left into the gradient of the sum of losses: each row times its factor, less 1 at the target
    /// where it is among these columns; zeros where there is no target.
    /// </summary>
    /// <param name="exponentials">[rows, columns]; overwritten.</param>
    /// <param name="targets">As in <see cref="CrossEntropyPart"/>.</param>
    /// <param name="firstId">Id of the first column.</param>
    /// <param name="factors">As many as rows.</param>
    void CrossEntropyPartGradient(Tensor exponentials, Tensor targets, long firstId, Tensor factors);

    /// <summary>values * factor, a scalar; nobody uses the values afterwards, so that the result may be they.</summary>
    Tensor Scaled(Tensor values, Tensor factor);

    /// <summary>Adds the squares of all elements to a sum.</summary>
    void AddSquares(Tensor values, Tensor sum);

    /// <summary>One AdamW update of flat tensors of equal length and of the gradients' type; see <c>kvs_adamw</c> for the formula.</summary>
    void AdamW(Tensor parameter, Tensor gradient, Tensor expAvg, Tensor expAvgSq, double lr, double beta1, double beta2, double epsilon,
        double weightDecay, long step, double gradientScale);
}

/// <summary>Attention's result.</summary>
/// <param name="Output">[batch * own tokens, heads * head_size].</param>
/// <param name="ForBackward">What the set wants in backward beside its inputs.</param>
public readonly record struct AttentionResult(Tensor Output, IReadOnlyList<Tensor> ForBackward);
