using System.Globalization;
using System.Text;
using System.Text.Json;
using KvShiftScale.Data.Text;
using KvShiftScale.Data.Tokenization;

namespace LoaderBenchmark;

/// <summary>
/// The same text twice, from the XML documentation of .NET: in documents of about 3,000 characters, and joined into files of hundreds of
/// thousands of tokens each, as books or logs are.
/// </summary>
internal static class DocumentationCorpus
{
    private const int CutCharacters = 3000;
    private const string BetweenMembers = "\n\n";

    /// <summary>Writes <c>cut.jsonl</c> and, from a library that is kept out of it, <c>held-out.jsonl</c>.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="packs">The folder of reference packs of a .NET SDK.</param>
    /// <param name="bytes">Bytes of text after which to stop.</param>
    /// <param name="heldOut">Name of the file that is kept out.</param>
    public static void Cut(string folder, string packs, long bytes, string heldOut)
    {
        Directory.CreateDirectory(folder);
        // Several packs have the same file.
        var files = Directory.GetFiles(packs, "*.xml", SearchOption.AllDirectories)
            .Where(path => path.Contains($"{Path.DirectorySeparatorChar}ref{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .GroupBy(path => Path.GetFileName(path)!).OrderBy(same => same.Key, StringComparer.Ordinal)
            .Select(same => same.Order(StringComparer.Ordinal).First()).ToList();
        var kept = files.FirstOrDefault(path => Path.GetFileName(path) == heldOut)
            ?? throw new FileNotFoundException($"found no {heldOut} among {files.Count} files below {packs}; wanted the reference packs of a .NET SDK");
        var written = Write(Path.Combine(folder, "cut.jsonl"), files.Where(path => path != kept), bytes);
        Write(Path.Combine(folder, "held-out.jsonl"), [kept], long.MaxValue);
        if (written < bytes)
        {
            throw new InvalidDataException($"found {written} bytes of text below {packs}; wanted {bytes}. Ask for less.");
        }
    }

    /// <summary>Joins the documents of <c>cut.jsonl</c> into <c>long/NNN.txt</c>, of at most so many tokens each; returns files and tokens of the longest.</summary>
    public static (int Files, int Longest) Join(string folder, string tokenizerPath, int mostTokens)
    {
        var tokenizer = TokenizerModel.Load(tokenizerPath);
        var target = Directory.CreateDirectory(Path.Combine(folder, "long")).FullName;
        var (text, tokens, files, longest) = (new StringBuilder(), 0, 0, 0);
        foreach (var line in File.ReadLines(Path.Combine(folder, "cut.jsonl")))
        {
            var document = JsonDocument.Parse(line).RootElement.GetProperty("text").GetString() + BetweenMembers;
            var count = tokenizer.Encode(document).Length;
            if (tokens > 0 && tokens + count > mostTokens)
            {
                Close();
            }

            text.Append(document);
            tokens += count;
        }

        Close();
        return (files, longest);

        void Close()
        {
            File.WriteAllText(Path.Combine(target, string.Create(CultureInfo.InvariantCulture, $"{files:D3}.txt")), text.ToString());
            longest = Math.Max(longest, tokens);
            files++;
            (text, tokens) = (text.Clear(), 0);
        }
    }

    private static long Write(string path, IEnumerable<string> files, long bytes)
    {
        using var output = new StreamWriter(path) { NewLine = "\n" };
        var written = 0L;
        foreach (var file in files)
        {
            var document = new StringBuilder();
            using var xml = new StreamReader(file);
            foreach (var member in XmlDocumentationText.Read(xml))
            {
                document.Append(document.Length > 0 ? BetweenMembers : "").Append(member);
                if (document.Length >= CutCharacters)
                {
                    Close(document);
                }

                if (written >= bytes)
                {
                    return written;
                }
            }

            Close(document);
        }

        return written;

        // A document ends with its file at the latest.
        void Close(StringBuilder document)
        {
            if (document.Length > 0)
            {
                var text = document.ToString();
                output.WriteLine(JsonSerializer.Serialize(new { text }));
                written += Encoding.UTF8.GetByteCount(text);
                document.Clear();
            }
        }
    }
}
