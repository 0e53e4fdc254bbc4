using KvShiftScale.Checkpoints.ModelFolders;
using KvShiftScale.Data.Tokenization;
using KvShiftScale.Models;
using KvShiftScale.Trainer.Generation;
using KvShiftScale.Trainer.Launch;

namespace KvShiftScale.Trainer.Commands;

/// <summary>A model that continues texts in this process, with its tokenizer.</summary>
internal sealed class TextModel : IDisposable
{
    private readonly KvShiftTransformer _model;

    private TextModel(KvShiftTransformer model, TokenizerModel tokenizer, IReadOnlySet<int>? ends)
    {
        _model = model;
        Tokenizer = tokenizer;
        Generator = new TextGenerator(model, tokenizer, ends);
    }

    /// <summary>What continues texts.</summary>
    public TextGenerator Generator { get; }

    /// <summary>Text into ids and back.</summary>
    public TokenizerModel Tokenizer { get; }

    /// <summary>Reads a checkpoint or a model folder, with all the processors that there are.</summary>
    /// <param name="folder">Has the tokenizer, too.</param>
    /// <param name="vanilla">Leaves the KV shift out.</param>
    /// <param name="room">Tokens that there has to be room for, at most the model's context: tables and caches need no more.</param>
    public static TextModel Load(string folder, bool vanilla, Func<TokenizerModel, long> room)
    {
        TensorLibrary.Load();
        using var source = ModelSource.Open(folder);
        var tokenizer = TokenizerModel.Load(folder);
        if (source.Note is { } note && !vanilla)
        {
            Console.Error.WriteLine($"kvshift: {note}");
        }

        ComputeThreads.Set(configured: 0);
        var model = source.Build(vanilla, (int)Math.Min(source.Description.Context, room(tokenizer)));
        return new TextModel(model, tokenizer, TokenIds.EndsOf(folder, source.Description));
    }

    public void Dispose() => _model.Dispose();
}
