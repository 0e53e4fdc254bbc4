using KvShiftScale.Data.Text;

namespace KvShiftScale.Data.Tests.Text;

public sealed class XmlDocumentationTextTests
{
    private const string Documentation = """
        <?xml version="1.0" encoding="utf-8"?>
        <doc>
          <assembly><name>Zoo</name></assembly>
          <members>
            <!-- a comment -->
            <member name="M:Zoo.Cage`1.Open``1(System.Int32,System.Func{`0,``0}@)">
              <summary>Opens the
                <see cref="T:Zoo.Cage`1" />, unless <paramref name="count" /> is <see langword="null" />
                or <see cref="M:Zoo.Keeper.IsAway(System.String)"/>.</summary>
              <typeparam name="TKey">Kind of <c>key</c>.</typeparam>
              <param name="count">How   often.</param>
              <param name="choose">Which one; see <see href="https://zoo.example/">the page</see>.</param>
              <returns><see langword="true" /> if open; 1 &lt; 2.</returns>
              <exception cref="T:System.ArgumentException"><paramref name="count" /> is negative.</exception>
              <remarks>
                <para>First paragraph.</para>
                <para>Second
                  paragraph.</para>
                <list type="bullet"><item><description>One.</description></item>
                  <item><term>Two</term><description>2.</description></item></list>
              </remarks>
              <nothing>of this</nothing>
            </member>
            <member name="P:Zoo.Cage`1.Size"><value>Its size.</value></member>
            <member name="F:Zoo.Empty"><summary>  </summary></member>
            <member name="T:Zoo.Inherited"><inheritdoc/></member>
          </members>
        </doc>
        """;

    [Fact]
    public void RendersMembers()
    {
        Assert.Equal(
            [
                """
                Method Zoo.Cage.Open(Int32 count, ref Func<T1, TKey> choose)
                Opens the Cage, unless count is null or Keeper.IsAway.
                TKey: Kind of key.
                count: How often.
                choose: Which one; see the page.
                Returns: true if open; 1 < 2.
                Throws ArgumentException: count is negative.
                Remarks: First paragraph.
                Second paragraph.
                One.
                Two: 2.

                """,
                "Property Zoo.Cage.Size\nValue: Its size.\n",
            ],
            XmlDocumentationText.Read(new StringReader(Documentation)));
    }

    [Theory]
    [InlineData("<doc><assembly/><members><member/></members></doc>", true)]
    [InlineData("<doc><members/></doc>", false)]
    [InlineData("<doc><other><members/></other></doc>", false)]
    [InlineData("<book><members>x</members></book>", false)]
    [InlineData("<doc", false)]
    [InlineData("", false)]
    public void KnowsDocumentationByItsRootAndMembers(string xml, bool expected)
        => Assert.Equal(expected, XmlDocumentationText.IsDocumentation(new StringReader(xml)));

    [Theory]
    [InlineData("T:System.Collections.Generic.List`1", "Type System.Collections.Generic.List", "List")]
    [InlineData("M:System.String.#ctor(System.Char[])", "Constructor System.String(Char[])", "String")]
    [InlineData("M:System.Object.ToString", "Method System.Object.ToString()", "Object.ToString")]
    [InlineData("P:System.String.Chars(System.Int32)", "Property System.String.Chars(Int32)", "String.Chars")]
    [InlineData("F:System.Int32.MaxValue", "Field System.Int32.MaxValue", "Int32.MaxValue")]
    [InlineData("E:A.B.Changed", "Event A.B.Changed", "B.Changed")]
    [InlineData("N:System.IO", "Namespace System.IO", "System.IO")]
    [InlineData("M:A.B.op_Implicit(A.B)~System.Int32", "Method A.B.op_Implicit(B) to Int32", "B.op_Implicit")]
    [InlineData("M:A.B.System#IDisposable#Dispose", "Method A.B.System.IDisposable.Dispose()", "B.System.IDisposable.Dispose")]
    [InlineData("M:A.B.F(System.Int32[0:,0:],System.Byte*,``1[][])", "Method A.B.F(Int32[,], Byte*, T2[][])", "B.F")]
    [InlineData("M:A.B.F(C.D{`0,E.F{`1}}.G)", "Method A.B.F(D<T1, F<T2>>.G)", "B.F")]
    [InlineData("whatever", "whatever", "whatever")]
    public void ReadsMemberNames(string id, string title, string shortName)
    {
        var documentationId = new DocumentationId(id);

        Assert.Equal(title, documentationId.Title([], []));
        Assert.Equal(shortName, documentationId.ShortName);
    }
}
