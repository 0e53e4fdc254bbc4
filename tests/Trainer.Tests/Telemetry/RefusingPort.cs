using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace KvShiftScale.Trainer.Tests.Telemetry;

/// <summary>A port of this machine at which nobody listens, and that nobody else gets until it is disposed.</summary>
internal sealed class RefusingPort : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    // Bound and not listening: the system refuses connections.
    public RefusingPort() => _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));

    public string Endpoint => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)_socket.LocalEndPoint!).Port}");

    public void Dispose() => _socket.Dispose();
}
