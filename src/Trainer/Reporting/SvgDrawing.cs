using System.Text;
using KvShiftScale.Core.Text;

namespace KvShiftScale.Trainer.Reporting;

/// <summary>The text of an SVG element that uses the colours of <see cref="SvgChart.Style"/>.</summary>
internal sealed class SvgDrawing
{
    private readonly StringBuilder _svg = new();

    /// <param name="width">In pixels.</param>
    /// <param name="height">In pixels.</param>
    /// <param name="title">Heading, for readers of the picture and of its description.</param>
    public SvgDrawing(double width, double height, string title)
    {
        _svg.Append(Quantity.Format($"<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" "))
            .Append(Quantity.Format($"viewBox=\"0 0 {XmlText.Number(width)} {XmlText.Number(height)}\" "))
            .Append(Quantity.Format($"width=\"{XmlText.Number(width)}\" height=\"{XmlText.Number(height)}\" "))
            .Append(Quantity.Format($"role=\"img\" aria-label=\"{XmlText.Escape(title)}\">\n"));
        Text("title", 18, 26, title);
    }

    /// <summary>A line of text; <paramref name="name"/> holds the classes of its style.</summary>
    public void Text(string name, double x, double y, string text) =>
        _svg.Append(Quantity.Format($"<text class=\"{name}\" x=\"{XmlText.Number(x)}\" y=\"{XmlText.Number(y)}\">"))
            .Append(XmlText.Escape(text)).Append("</text>\n");

    /// <summary>A straight line.</summary>
    public void Line(string name, double x1, double y1, double x2, double y2) =>
        _svg.Append(Quantity.Format($"<line class=\"{name}\" x1=\"{XmlText.Number(x1)}\" y1=\"{XmlText.Number(y1)}\" "))
            .Append(Quantity.Format($"x2=\"{XmlText.Number(x2)}\" y2=\"{XmlText.Number(y2)}\"/>\n"));

    /// <summary>A rectangle, shown with the given opacity; <paramref name="hint"/> is shown under the pointer, empty for none.</summary>
    public void Rectangle(string name, double x, double y, double width, double height, double opacity, string hint)
    {
        _svg.Append(Quantity.Format($"<rect class=\"{name}\" x=\"{XmlText.Number(x)}\" y=\"{XmlText.Number(y)}\" "))
            .Append(Quantity.Format($"width=\"{XmlText.Number(width)}\" height=\"{XmlText.Number(height)}\" "))
            .Append(Quantity.Format($"fill-opacity=\"{XmlText.Number(opacity)}\""));
        _svg.Append(hint.Length == 0 ? "/>\n" : $"><title>{XmlText.Escape(hint)}</title></rect>\n");
    }

    /// <summary>A disc; <paramref name="hint"/> is shown under the pointer.</summary>
    public void Disc(string name, double x, double y, double radius, string hint) =>
        _svg.Append(Quantity.Format($"<circle class=\"{name}\" cx=\"{XmlText.Number(x)}\" cy=\"{XmlText.Number(y)}\" r=\"{XmlText.Number(radius)}\">"))
            .Append(Quantity.Format($"<title>{XmlText.Escape(hint)}</title></circle>\n"));

    /// <summary>The element; nothing is drawn after it.</summary>
    public string End() => _svg.Append("</svg>").ToString();
}
