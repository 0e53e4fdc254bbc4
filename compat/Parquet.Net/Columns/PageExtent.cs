namespace Parquet.Columns;

/// <summary>Which slots and which values of its column chunk a page holds.</summary>
/// <param name="FirstSlot">Slots of the pages before.</param>
/// <param name="SlotCount">Slots of the page.</param>
/// <param name="FirstValue">Values of the pages before.</param>
/// <param name="ValueCount">Slots of the page that have a value.</param>
internal readonly record struct PageExtent(int FirstSlot, int SlotCount, int FirstValue, int ValueCount);
