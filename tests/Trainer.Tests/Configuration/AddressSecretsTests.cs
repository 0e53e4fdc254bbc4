using KvShiftScale.Core;
using KvShiftScale.Core.Text;
using KvShiftScale.Trainer.Configuration;

namespace KvShiftScale.Trainer.Tests.Configuration;

public sealed class AddressSecretsTests
{
    [Theory]
    [InlineData("http://localhost:4318", "http://localhost:4318")]
    [InlineData("https://host/p@th/x", "https://host/p@th/x")]
    [InlineData("data/train/*.parquet", "data/train/*.parquet")]
    [InlineData("http://user:geheim@host:4318/x", "http://***@host:4318/x")]
    [InlineData("http://geheim@host", "http://***@host")]
    [InlineData("http://user:ge@heim@host/x", "http://***@host/x")]
    [InlineData("http://user:ge/heim@host/x", "http://***@host/x")]
    [InlineData("http://user:ge?heim@host/x", "http://***@host/x")]
    [InlineData("http://user:ge#heim@host/x", "http://***@host/x")]
    [InlineData("http://user:ge heim@host/x", "http://***@host/x")]
    [InlineData("https://host/x?token=geheim", "https://host/x?token=***")]
    [InlineData("https://host/x?a=geheim&b=geheim&geheim", "https://host/x?a=***&b=***&***")]
    [InlineData("https://host/x?a=geheim#geheim", "https://host/x?a=***#***")]
    [InlineData("ftp://user:geheim@host", "ftp://***@host")]
    public void AddressIsShownWithoutItsSecrets(string address, string shown)
    {
        Assert.Equal(shown, AddressSecrets.MaskAddress(address));
        Assert.Equal(shown, AddressSecrets.MaskAddress(shown));
        Assert.Equal(shown != address, AddressSecrets.IsMasked(shown));
        Assert.False(AddressSecrets.IsMasked(address));
    }

    [Fact]
    public void TextKeepsAllButTheSecrets()
        => Assert.Equal("cannot reach 'http://***@a/x' or https://b?k=*** (twice), see me@home",
            AddressSecrets.MaskText("cannot reach 'http://u:geheim@a/x' or https://b?k=geheim (twice), see me@home"));

    [Theory]
    [InlineData("telemetry.otlp_endpoint=htp://u:geheim@a")]
    [InlineData("telemetry.otlp_endpoint=http://u:ge/ heim@a")]
    [InlineData("telemetry.otlp_endpoint=u:geheim@a")]
    [InlineData("telemetry.otlp_endpoint=[http://u:geheim@a]")]
    [InlineData("telemetry.otlp_endpoint={a: http://u:geheim@a}")]
    [InlineData("telemetry.otlp_endpint=http://u:geheim@a?k=geheim")]
    [InlineData("telemetry.otlp_headers=authorization=Bearer geheim")]
    [InlineData("telemetry.api_key=geheim")]
    [InlineData("telemetry.otlp_protocol=http://u:geheim@a")]
    [InlineData("data.tokenizer.x=http://u:geheim@a")]
    [InlineData("telemetry.otlp_endpoint='http://u:geheim@a'x")]
    [InlineData("run.steps=http://u:geheimgeheimgeheimgeheimgeheimgeheimgeheimgeheimgeheimgeheimgeheimgeheimgeheimgeheim@a")]
    public void FaultsOfTheConfigurationHaveNoSecrets(string setting)
    {
        var error = Assert.Throws<ConfigException>(() => RunConfigRules.Check(
            RunConfigReader.Parse("run: {name: a, steps: 1}\ndata: {train: [x]}\n", "a.yaml", [ConfigOverride.Parse(setting)]), ranks: 1));

        Assert.DoesNotContain("heim", error.Message);
        Assert.Contains(setting.Split('=')[0], error.Message);
    }

    [Fact]
    public void LineOfBrokenYamlHasNoSecrets()
    {
        var error = Assert.Throws<ConfigException>(() => RunConfigReader.Parse("run: {name: a}\ntelemetry: {otlp_endpoint: 'http://u:geheim@a\n", "a.yaml", []));

        Assert.DoesNotContain("geheim", error.Message);
    }

    [Theory]
    [InlineData("http://u:geheim@a:1/x?k=geheim", "http://***@a:1/x?k=***")]
    [InlineData("http://localhost:4318", "http://localhost:4318")]
    [InlineData(null, null)]
    public void WrittenConfigurationHasNoSecrets(string? address, string? shown)
    {
        var config = new RunConfig { Run = new RunSection { Name = "a", Steps = 1 }, Telemetry = new TelemetrySection { OtlpEndpoint = address } };

        var text = RunConfigWriter.Write(config);

        Assert.DoesNotContain("geheim", text);
        Assert.Equal(shown, RunConfigReader.Parse(text, "a.yaml", []).Telemetry.OtlpEndpoint);
    }
}
