using KvShiftScale.Data.Corpus;

namespace KvShiftScale.Data.Tests.Text;

public sealed class TracedFileStreamTests : IDisposable
{
    private const string HashOfZeros = "8565a714dca840f8652c5bae9249ab05f5fb5a4f9f13fbe23304b10f68252da2";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ALongFileIsToldOfWhileItIsRead()
    {
        const int Length = 50 << 20;
        using (var file = File.Create(_folder.Path("zeros")))
        {
            file.SetLength(Length);
        }

        var told = new List<long>();
        TracedFileStream? stream = null;
        using (stream = new TracedFileStream(_folder.Path("zeros"), () => told.Add(stream!.BytesRead)))
        {
            // The SHA-256 of as many zero bytes, by sha256sum.
            Assert.Equal(HashOfZeros, stream.Finish());
        }

        Assert.Equal([16L << 20, 32L << 20, 48L << 20], told);
    }

}
