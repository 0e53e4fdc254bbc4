using KvShiftScale.Trainer.Commands;

return CommandLine.Run(args);
