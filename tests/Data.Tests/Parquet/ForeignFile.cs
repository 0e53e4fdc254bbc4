namespace KvShiftScale.Data.Tests.Parquet;

/// <summary>The files that other writers made.</summary>
internal static class ForeignFile
{
    public static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Parquet", "files", name + ".parquet");
}
