using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>A map of numbers up to 1 by row and column, the stronger the larger; the first row is at the bottom, as layers are drawn.</summary>
public sealed record SvgHeatMap
{
    /// <summary>Colours; a page that holds maps puts this into its style, behind <see cref="SvgChart.Style"/>.</summary>
    internal const string Style = ".chart .cell{fill:var(--line)}.chart .frame{fill:none;stroke:var(--axis)}.chart .number{fill:var(--ink);font-size:11px}";

    private const double Left = 62;
    private const double Top = 58;
    private const double Right = 78;
    private const double Bottom = 48;
    private const double MapWidth = 380;
    private const double LargestCell = 44;
    private const double LowestMap = 110;
    private const double HighestMap = 420;

    // Cells of this width and height have room for their number.
    private const double NumberWidth = 34;
    private const double NumberHeight = 16;

    /// <summary>Heading.</summary>
    public required string Title { get; init; }

    /// <summary>What a row is.</summary>
    public required string RowLabel { get; init; }

    /// <summary>What a column is.</summary>
    public required string ColumnLabel { get; init; }

    /// <summary>Numbers of this size and below are not coloured: 0, or what chance gives.</summary>
    public double Faintest { get; init; }

    /// <summary>Numbers up to 1; rows may differ in length. One that is not finite is left out.</summary>
    public required IReadOnlyList<IReadOnlyList<float>> Rows { get; init; }

    /// <summary>The map as an element for a page that has the styles.</summary>
    public string ToElement()
    {
        var columns = Math.Max(1, Rows.Max(row => row.Count));
        var cellWidth = Math.Min(MapWidth / columns, 2 * LargestCell);
        var (width, height) = (columns * cellWidth, Math.Clamp(Rows.Count * Math.Min(cellWidth, LargestCell), LowestMap, HighestMap));
        var cellHeight = height / Rows.Count;
        var svg = new SvgDrawing(Left + MapWidth + Right, Top + height + Bottom, Title);
        var gap = Math.Min(cellWidth, cellHeight) > 8 ? 1 : 0;
        for (var row = 0; row < Rows.Count; row++)
        {
            var y = Top + height - ((row + 1) * cellHeight);
            for (var column = 0; column < Rows[row].Count; column++)
            {
                var value = Rows[row][column];
                if (!float.IsFinite(value))
                {
                    continue;
                }

                var x = Left + (column * cellWidth);
                svg.Rectangle("cell", x, y, cellWidth - gap, cellHeight - gap, Math.Clamp((value - Faintest) / (1 - Faintest), 0, 1),
                    Quantity.Format($"{RowLabel} {row}, {ColumnLabel} {column}: {value:0.000}"));
                if (cellWidth >= NumberWidth && cellHeight >= NumberHeight)
                {
                    svg.Text("number middle", x + (cellWidth / 2), y + (cellHeight / 2) + 4, Quantity.Format($"{value:0.00}"));
                }
            }
        }

        svg.Rectangle("frame", Left - 1, Top - 1, width + 2 - gap, height + 2 - gap, 0, "");
        foreach (var row in Labelled(Rows.Count, cellHeight, 14))
        {
            svg.Text("end", Left - 8, Top + height - ((row + 0.5) * cellHeight) + 4, Quantity.Format($"{row}"));
        }

        foreach (var column in Labelled(columns, cellWidth, 22))
        {
            svg.Text("middle", Left + ((column + 0.5) * cellWidth), Top + height + 16, Quantity.Format($"{column}"));
        }

        svg.Text("", 18, Top - 14, RowLabel);
        svg.Text("middle", Left + (width / 2), Top + height + 38, ColumnLabel);
        AppendScale(svg, Left + width + 18, height);
        return svg.End();
    }

    private void AppendScale(SvgDrawing svg, double x, double height)
    {
        const int Parts = 20;
        for (var part = 0; part < Parts; part++)
        {
            svg.Rectangle("cell", x, Top + height - ((part + 1) * height / Parts), 12, (height / Parts) + 0.3, (part + 0.5) / Parts, "");
        }

        svg.Rectangle("frame", x, Top, 12, height, 0, "");
        svg.Text("", x + 18, Top + 9, "1");
        svg.Text("", x + 18, Top + height, Quantity.Format($"{Faintest:0.#}"));
    }

    /// <summary>As many of the numbers from 0 as have room, evenly spaced.</summary>
    private static IEnumerable<int> Labelled(int count, double size, double room)
    {
        var every = Math.Max(1, (int)Math.Ceiling(room / size));
        for (var number = 0; number < count; number += every)
        {
            yield return number;
        }
    }
}
